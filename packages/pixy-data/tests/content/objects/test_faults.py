"""The store on objects when requests or answers are lost, late, refused or half."""

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from image_samples import make_detail
from pixy_core import ContentDamagedError, StorageUnavailableError
from pixy_data import JournalEntry, Leftover, PartialImage
from pixy_data.content.objects.bucket import Bucket, Timeouts, open_bucket
from pixy_data.content.objects.journal import ObjectReservation
from pixy_data.content.objects.layout import entry_key, image_key
from pixy_data.content.objects.store import ObjectStore
from s3_faults import (
    Choose,
    Exchange,
    Fault,
    S3Faults,
    S3Request,
    at_request,
    forbid,
    slow_down,
    stall,
    swallow,
    truncate,
)
from s3_server import S3Server

CONTENT = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
KEEPING = (1, 2, 3, 4)
"""The requests of a create: what is reserved, the entry, the bytes, and reading them back."""


@pytest.fixture
def faults(start_s3: Callable[[str], S3Server]) -> Iterator[S3Faults]:
    with S3Faults(start_s3("seaweedfs").port) as proxy:
        yield proxy


@pytest.fixture
def url(use_bucket: Callable[..., str], faults: S3Faults) -> str:
    return use_bucket("seaweedfs", faults.url)


@pytest.fixture
def store(url: str, tmp_path: Path) -> ObjectStore:
    """The store of the process that makes images, through the proxy."""
    bucket = open_bucket(url, Timeouts(connecting=5, usual=1, large=1))
    return ObjectStore(bucket, tmp_path, reserve=0)


@pytest.fixture
def bucket(
    store: ObjectStore,
    url: str,
    start_s3: Callable[[str], S3Server],
    monkeypatch: pytest.MonkeyPatch,
) -> Bucket:
    """The same bucket, without the proxy."""
    assert store
    monkeypatch.setenv("AWS_ENDPOINT_URL", start_s3("seaweedfs").url)
    return open_bucket(url)


@pytest.fixture
def other(bucket: Bucket, tmp_path: Path) -> ObjectStore:
    """The store of another process, for which an entry without bytes is old at once."""
    return ObjectStore(bucket, tmp_path, reserve=0, entry_age=0)


@dataclass
class Scene:
    """What most tests need."""

    store: ObjectStore
    other: ObjectStore
    bucket: Bucket
    faults: S3Faults

    def list_keys(self) -> set[str]:
        folders = ("images", "journal", "reserved")
        return {
            each.key for folder in folders for page in self.bucket.list(folder) for each in page
        }


@pytest.fixture
def scene(store: ObjectStore, other: ObjectStore, bucket: Bucket, faults: S3Faults) -> Scene:
    return Scene(store, other, bucket, faults)


@pytest.fixture
def entry(other: ObjectStore) -> JournalEntry:
    detail = make_detail()
    stored = other.describe(detail.guid, "image/png", CONTENT)
    image = detail.model_copy(update={**stored._asdict(), "media_type": "image/png"})
    return JournalEntry(image=image, owner="ann", class_key="red", created_at=datetime.now(UTC))


def keep(store: ObjectStore, entry: JournalEntry) -> None:
    with store.reserve(entry.image.guid, len(CONTENT)) as reservation:
        reservation.keep(entry, CONTENT)


def keys_of(entry: JournalEntry) -> set[str]:
    return {entry_key(entry.image.guid), image_key(entry.image.filename)}


def at_put(prefix: str, fault: Fault) -> Choose:
    """Choose a fault for the first write below a prefix."""
    left = [fault]

    def choose(request: S3Request) -> Fault | None:
        is_meant = request.method == "PUT" and f"/{prefix}/" in request.path
        return left.pop() if is_meant and left else None

    return choose


@pytest.mark.parametrize("fault", [swallow, truncate, slow_down], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("number", KEEPING)
def test_an_answer_that_is_lost_once_loses_nothing(
    fault: Fault, number: int, scene: Scene, entry: JournalEntry
) -> None:
    scene.faults.choose = at_request(number, fault)
    keep_until_it_works(scene.store, entry)
    assert scene.other.find_kept(entry.image.guid) == entry
    assert scene.list_keys() == keys_of(entry)


def keep_until_it_works(store: ObjectStore, entry: JournalEntry) -> None:
    """Keep an image as a create does, which tries again."""
    with store.reserve(entry.image.guid, len(CONTENT)) as reservation:
        for _ in range(3):
            with suppress(StorageUnavailableError):
                reservation.keep(entry, CONTENT)
                return
    raise AssertionError("it was never kept")


@pytest.mark.parametrize("number", KEEPING[1:])
@pytest.mark.parametrize("fault", [forbid, stall(2)], ids=["forbid", "stall"])
def test_a_write_that_failed_is_tried_again(
    fault: Fault, number: int, scene: Scene, entry: JournalEntry
) -> None:
    scene.faults.choose = at_request(number, fault)
    keep_until_it_works(scene.store, entry)
    assert scene.other.find_kept(entry.image.guid) == entry
    assert scene.list_keys() == keys_of(entry)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(slow_down, id="slow down"),
        pytest.param(forbid, id="forbid"),
        pytest.param(truncate, id="cut"),
        pytest.param(stall(60), id="stall", marks=pytest.mark.long),
    ],
)
def test_nothing_is_reserved_in_a_store_that_does_not_write(
    fault: Fault, store: ObjectStore, entry: JournalEntry, faults: S3Faults
) -> None:
    faults.choose = lambda _: fault
    with pytest.raises(StorageUnavailableError):
        keep(store, entry)


@pytest.mark.parametrize("prefix", ["journal", "images"])
def test_an_image_that_can_not_be_kept_is_reported(
    prefix: str, scene: Scene, entry: JournalEntry
) -> None:
    scene.faults.choose = lambda request: slow_down if f"/{prefix}/" in request.path else None
    with pytest.raises(StorageUnavailableError):
        keep(scene.store, entry)
    assert not scene.other.has_kept(entry.image.guid)
    assert not any(name.startswith(("images/", "reserved/")) for name in scene.list_keys())


def test_a_reservation_that_arrives_late_does_not_replace_the_entry(
    store: ObjectStore, other: ObjectStore, entry: JournalEntry, faults: S3Faults
) -> None:
    kept, arrived = threading.Event(), threading.Event()

    def arrive_late(exchange: Exchange) -> None:
        kept.wait()
        exchange.forward()
        arrived.set()

    faults.choose = at_put("reserved", arrive_late)
    keep(store, entry)
    kept.set()
    assert arrived.wait(30)
    assert other.find_kept(entry.image.guid) == entry
    (leftover,) = store.list_leftovers(0)
    assert leftover.name == f"reserved/{entry.image.guid}"
    assert other.remove_leftover(leftover, 0)


def test_bytes_that_arrive_after_they_were_given_up_are_found(
    store: ObjectStore, other: ObjectStore, entry: JournalEntry, faults: S3Faults
) -> None:
    given_up, arrived = threading.Event(), threading.Event()

    def arrive_late(exchange: Exchange) -> None:
        given_up.wait()
        exchange.forward()
        arrived.set()

    faults.choose = lambda request: (
        arrive_late if request.method == "PUT" and "/images/" in request.path else None
    )
    with pytest.raises(StorageUnavailableError):
        keep(store, entry)
    assert not other.has_kept(entry.image.guid)
    # the usual age of a leftover is not enough: the bytes are still on their way
    assert store.list_leftovers(0) == []
    given_up.set()
    assert arrived.wait(30)
    assert other.find_kept(entry.image.guid) == entry


def test_an_image_that_another_process_has_made_visible_is_not_kept_again(
    scene: Scene, entry: JournalEntry
) -> None:
    image = entry.image
    scene.faults.choose = at_request(4, forbid)
    with scene.store.reserve(image.guid, len(CONTENT)) as reservation:
        with pytest.raises(StorageUnavailableError):
            reservation.keep(entry, CONTENT)
        # a recovery adopts it, and its owner deletes it
        assert scene.other.find_kept(image.guid) == entry
        scene.other.forget(image.guid)
        scene.other.delete(image.filename)
        reservation.keep(entry, CONTENT)
    assert scene.list_keys() == set()


def test_an_entry_without_bytes_is_neither_an_image_nor_young_rubbish(
    scene: Scene, entry: JournalEntry
) -> None:
    guid = entry.image.guid
    scene.bucket.put(entry_key(guid), entry.model_dump_json().encode())
    assert scene.other.list_kept() == [guid]
    assert (scene.other.find_kept(guid), scene.other.has_kept(guid)) == (None, False)
    assert scene.store.list_leftovers(0) == []
    leftover = Leftover(guid, entry_key(guid))
    assert not scene.store.remove_leftover(leftover, 0)
    assert scene.other.list_leftovers(0) == [leftover]
    assert scene.other.remove_leftover(leftover, 0)
    assert scene.list_keys() == set()


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xfe", b'{"version": 1', b"[" * 100_000, b'{"version": 2}', b"null"]
)
def test_an_entry_that_can_not_be_read_is_kept_for_an_operator(
    garbage: bytes, other: ObjectStore, bucket: Bucket
) -> None:
    guid = str(uuid.uuid4())
    bucket.put(entry_key(guid), garbage)
    assert other.find_kept(guid) is None
    assert other.has_kept(guid)


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], bytes(len(CONTENT))])
def test_an_entry_of_damaged_bytes_is_kept_for_an_operator(
    content: bytes, other: ObjectStore, bucket: Bucket, entry: JournalEntry
) -> None:
    bucket.put(entry_key(entry.image.guid), entry.model_dump_json().encode())
    bucket.put(image_key(entry.image.filename), content)
    assert other.find_kept(entry.image.guid) is None
    assert other.has_kept(entry.image.guid)


def test_an_object_that_is_replaced_while_it_is_read_is_noticed(
    other: ObjectStore, bucket: Bucket, entry: JournalEntry
) -> None:
    keep(other, entry)
    file, first = other.open(entry.image, range(10))
    assert first == CONTENT[:10]
    bucket.put(image_key(entry.image.filename), bytes(len(CONTENT)))
    with pytest.raises(ContentDamagedError):
        file.read(10, 20)
    other.delete(entry.image.filename)
    with pytest.raises(ContentDamagedError):
        file.read(10, 20)


def test_an_object_that_is_replaced_after_it_was_read_is_noticed(
    other: ObjectStore, bucket: Bucket, entry: JournalEntry
) -> None:
    keep(other, entry)
    whole = range(len(CONTENT))
    assert [other.open(entry.image, whole)[1] for _ in range(2)] == [CONTENT, CONTENT]
    bucket.put(image_key(entry.image.filename), bytes(len(CONTENT)))
    with pytest.raises(ContentDamagedError):
        other.open(entry.image, whole)


@pytest.mark.parametrize("content", [b"", CONTENT[:100]])
def test_an_object_that_ends_before_the_wanted_bytes_is_damaged(
    content: bytes, other: ObjectStore, bucket: Bucket, entry: JournalEntry
) -> None:
    bucket.put(image_key(entry.image.filename), content)
    with pytest.raises(ContentDamagedError):
        other.open(entry.image, range(200, 300))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(slow_down, id="slow down"),
        pytest.param(forbid, id="forbid"),
        pytest.param(truncate, id="cut"),
        pytest.param(stall(60), id="stall", marks=pytest.mark.long),
    ],
)
def test_a_store_that_does_not_answer_is_not_a_damaged_image(
    fault: Fault, store: ObjectStore, other: ObjectStore, entry: JournalEntry, faults: S3Faults
) -> None:
    keep(other, entry)
    file, _ = store.open(entry.image, range(10))
    faults.choose = lambda _: fault
    for read in (
        lambda: store.open(entry.image, range(10)),
        lambda: store.read(entry.image),
        lambda: file.read(10, 20),
        lambda: store.find_kept(entry.image.guid),
        lambda: store.has_kept(entry.image.guid),
        store.list_kept,
    ):
        with pytest.raises(StorageUnavailableError):
            read()


@pytest.fixture
def patient(url: str, tmp_path: Path) -> ObjectStore:
    """A store that waits for long, except for what must be quick."""
    timeouts = Timeouts(connecting=5, usual=60, large=60, quick=1)
    return ObjectStore(open_bucket(url, timeouts), tmp_path, reserve=0)


def hang_until(released: threading.Event) -> Fault:
    def hang(exchange: Exchange) -> None:
        released.wait(30)
        exchange.send(exchange.forward())

    return hang


@pytest.mark.parametrize("folder", ["journal", "images"])
def test_a_store_that_hangs_is_not_waited_for_within_a_transaction(
    folder: str, patient: ObjectStore, entry: JournalEntry, faults: S3Faults
) -> None:
    keep(patient, entry)
    released = threading.Event()
    hang = hang_until(released)
    faults.choose = lambda request: hang if f"/{folder}/" in request.path else None
    with pytest.raises(StorageUnavailableError):
        patient.has_kept(entry.image.guid)
    released.set()
    faults.choose = lambda _: None
    assert patient.has_kept(entry.image.guid)


def test_a_store_that_hangs_has_no_preview(patient: ObjectStore, faults: S3Faults) -> None:
    guid, released = str(uuid.uuid4()), threading.Event()
    patient.partials.write(guid, PartialImage(b"half", "image/png"))
    hang = hang_until(released)
    faults.choose = lambda _: hang
    assert not patient.partials.has(guid)
    released.set()
    faults.choose = lambda _: None
    assert patient.partials.has(guid)


@pytest.mark.parametrize("fault", [swallow, truncate, slow_down], ids=lambda fault: fault.__name__)
def test_an_answer_that_is_lost_once_is_asked_for_again_also_within_a_transaction(
    fault: Fault, patient: ObjectStore, entry: JournalEntry, faults: S3Faults
) -> None:
    keep(patient, entry)
    faults.choose = at_request(len(faults.requests) + 1, fault)
    assert patient.has_kept(entry.image.guid)


def test_a_bucket_that_is_gone_is_an_outage(
    use_bucket: Callable[..., str], entry: JournalEntry, tmp_path: Path
) -> None:
    use_bucket("seaweedfs")
    gone = open_bucket("s3://gone/prefix")
    store = ObjectStore(gone, tmp_path, reserve=0)
    with pytest.raises(StorageUnavailableError):
        keep(store, entry)
    with pytest.raises(StorageUnavailableError):
        store.list_kept()
    with pytest.raises(StorageUnavailableError):
        gone.now()


@pytest.mark.parametrize(
    ("secret", "place", "code"),
    [("", "s3://gone/x", "NoSuchBucket"), ("wrong", "", "SignatureDoesNotMatch")],
)
def test_the_log_names_the_reason_of_the_store_and_no_secret(
    secret: str, place: str, code: str, use_bucket: Callable[..., str]
) -> None:
    url = use_bucket("seaweedfs")
    given = secret or os.environ["AWS_SECRET_ACCESS_KEY"]
    # a process of its own: the log has one line a minute
    write = (
        "import sys; from pixy_data.content.objects.bucket import open_bucket\n"
        "open_bucket(sys.argv[1]).put('x', b'')"
    )
    told = subprocess.run(
        [sys.executable, "-c", write, place or url],
        env={**os.environ, "AWS_SECRET_ACCESS_KEY": given},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    line = next(line for line in told.stderr.splitlines() if line.startswith("the object x"))
    assert f": {code}: " in line
    assert given not in told.stderr


def test_a_bucket_that_disappears_before_the_bytes_are_written_is_an_outage(
    start_s3: Callable[[str], S3Server], entry: JournalEntry, use_bucket: Callable[..., str]
) -> None:
    use_bucket("seaweedfs")
    client = start_s3("seaweedfs").client
    assert client.request("PUT", "/short-lived").status == 200
    reservation = ObjectReservation(open_bucket("s3://short-lived"), entry.image.guid)
    reservation.release()
    assert client.request("DELETE", "/short-lived").status == 204
    with pytest.raises(StorageUnavailableError):
        reservation.keep(entry, CONTENT)
