"""Objects that are too large to be in memory as a whole, on their way to a bucket and back."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from image_samples import make_detail
from pixy_core import ContentDamagedError, StorageUnavailableError
from pixy_data import FileRecord, JournalEntry, PartialImage
from pixy_data.content.objects.bucket import Bucket, open_bucket
from pixy_data.content.objects.layout import entry_key, image_key
from pixy_data.content.objects.reading import PART_SIZE
from pixy_data.content.objects.store import ObjectStore
from s3_faults import Exchange, S3Faults, S3Request
from s3_server import S3Server

MIB = 1 << 20
CONTENT = bytes(range(256)) * (4 * PART_SIZE // 256) + b"the last part"
SMALL = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


@pytest.fixture
def faults(start_s3: Callable[[str], S3Server]) -> Iterator[S3Faults]:
    with S3Faults(start_s3("seaweedfs").port) as proxy:
        yield proxy


@pytest.fixture
def bucket(use_bucket: Callable[..., str], faults: S3Faults) -> Bucket:
    return open_bucket(use_bucket("seaweedfs", faults.url))


@pytest.fixture
def store(bucket: Bucket, tmp_path: Path) -> ObjectStore:
    return ObjectStore(bucket, tmp_path, reserve=0)


def make_entry(store: ObjectStore, content: bytes) -> JournalEntry:
    detail = make_detail()
    stored = store.describe(detail.guid, "image/png", content)
    image = detail.model_copy(update={**stored._asdict(), "media_type": "image/png"})
    return JournalEntry(image=image, owner="ann", class_key="red", created_at=datetime.now(UTC))


def keep(store: ObjectStore, content: bytes) -> JournalEntry:
    entry = make_entry(store, content)
    with store.reserve(entry.image.guid, len(content)) as reservation:
        reservation.keep(entry, content)
    return entry


def record_of(entry: JournalEntry) -> FileRecord:
    image = entry.image
    return FileRecord(image.guid, image.filename, image.size or 0, image.sha256 or "")


def is_of_image(request: S3Request, method: str) -> bool:
    return request.method == method and "/images/" in request.path


def test_no_answer_is_larger_than_a_part(store: ObjectStore, faults: S3Faults) -> None:
    sizes: list[int] = []

    def measure(exchange: Exchange) -> None:
        answer = exchange.forward()
        sizes.append(len(answer.body))
        exchange.send(answer)

    faults.choose = lambda request: measure if is_of_image(request, "GET") else None
    entry = keep(store, CONTENT)
    assert store.find_kept(entry.image.guid) == entry
    assert store.read(entry.image) == CONTENT
    store.copy_in(record_of(entry), CONTENT)
    # read back, found, read, and read back
    assert sum(sizes) == 4 * len(CONTENT)
    assert max(sizes) == PART_SIZE


def test_damage_of_the_last_part_is_noticed(
    store: ObjectStore, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    entry = keep(store, CONTENT)
    bucket.put(image_key(entry.image.filename), CONTENT[:-1] + b"?")
    assert store.find_kept(entry.image.guid) is None
    assert store.has_kept(entry.image.guid)
    assert f"the object of image {entry.image.guid} is damaged" in caplog.text
    with pytest.raises(ContentDamagedError):
        store.read(entry.image)


def test_an_object_that_is_replaced_between_two_parts_is_not_the_image(
    store: ObjectStore, bucket: Bucket, faults: S3Faults
) -> None:
    entry = keep(store, CONTENT)

    def replace_it(exchange: Exchange) -> None:
        answer = exchange.forward()
        faults.choose = lambda _: None
        bucket.put(image_key(entry.image.filename), bytes(len(CONTENT)))
        exchange.send(answer)

    faults.choose = lambda request: replace_it if is_of_image(request, "GET") else None
    with pytest.raises(ContentDamagedError):
        store.read(entry.image)


def never_end(exchange: Exchange) -> None:
    """Announce an object of 5 GB, and send its first bytes."""
    answer = exchange.forward()
    headers = [each for each in answer.headers if each[0].lower() != "content-length"]
    exchange.send(replace(answer, headers=(*headers, ("Content-Length", str(5 * 10**9)))))


def test_an_object_of_another_size_is_not_read(
    store: ObjectStore, bucket: Bucket, faults: S3Faults
) -> None:
    entry = keep(store, SMALL)
    faults.choose = lambda request: never_end if is_of_image(request, "GET") else None
    with pytest.raises(ContentDamagedError):
        store.read(entry.image)
    assert store.find_kept(entry.image.guid) is None
    with pytest.raises(StorageUnavailableError):
        store.copy_in(record_of(entry), SMALL)
    other = make_entry(store, SMALL)
    with (
        store.reserve(other.image.guid, len(SMALL)) as reservation,
        pytest.raises(StorageUnavailableError),
    ):
        reservation.keep(other, SMALL)
    faults.choose = lambda _: None
    assert store.read(entry.image) == SMALL
    assert bucket.find(entry_key(other.image.guid)) is not None


def test_what_is_no_image_is_not_read_if_it_is_as_large_as_one(tmp_path: Path) -> None:
    client = MemoryStore()
    bucket = Bucket(client, client, client)
    partials, guid = ObjectStore(bucket, tmp_path, reserve=0).partials, "a guid"
    partials.write(guid, PartialImage(bytes(64 * MIB + 1), "image/png"))
    assert partials.find(guid) is None
    with pytest.raises(StorageUnavailableError):
        bucket.get(f"partial/{guid}")


def keep_upload(store: ObjectStore, content: bytes) -> JournalEntry:
    entry = make_entry(store, content)
    with (
        store.spool(None, len(content)) as file,
        store.reserve(entry.image.guid, len(content)) as reservation,
    ):
        file.write(content)
        reservation.keep(entry, file)
    return entry


class Meeting:
    """Counts the uploads that are on their way at the same time.

    Args:
        size: For how many the first one waits.
        seconds: For how long.
    """

    def __init__(self, size: int, seconds: float) -> None:
        self.most = 0
        self._size = size
        self._seconds = seconds
        self._present = 0
        self._changed = threading.Condition()

    def __call__(self, exchange: Exchange) -> None:
        with self._changed:
            self._present += 1
            self.most = max(self.most, self._present)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most >= self._size, self._seconds)
        answer = exchange.forward()
        with self._changed:
            self._present -= 1
        exchange.send(answer)


@pytest.mark.parametrize(
    ("size", "seconds", "most"), [(9 * MIB, 1, 1), (MIB, 30, 3)], ids=["large", "small"]
)
def test_large_uploads_are_sent_one_after_the_other(
    size: int, seconds: float, most: int, store: ObjectStore, faults: S3Faults
) -> None:
    meeting = Meeting(3, seconds)
    faults.choose = lambda request: meeting if is_of_image(request, "PUT") else None
    contents = [bytes([number]) * size for number in range(3)]
    with ThreadPoolExecutor(3) as threads:
        kept = list(threads.map(lambda content: keep_upload(store, content), contents))
    assert meeting.most == most
    assert [store.read(entry.image) for entry in kept] == contents


UPLOAD = """
import re, resource, sys
from pathlib import Path
from pixy_core import StorageUnavailableError
from pixy_data.content.objects.bucket import open_bucket
from pixy_data.content.spooled_files import SpooledFile

bucket = open_bucket(sys.argv[1])
bucket.put("first", b"the threads are started")
size = 48 << 20
with SpooledFile(Path(sys.argv[2]), size, size) as file:
    block = bytes(1 << 20)
    for _ in range(48):
        file.write(block)
    used = re.search(r"VmSize:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    resource.setrlimit(resource.RLIMIT_AS, (int(used[1]) * 1024 + (24 << 20), -1))
    try:
        bucket.put("large", file)
    except StorageUnavailableError:
        print("unavailable")
bucket.put("last", b"it goes on")
"""


def test_an_upload_for_which_there_is_no_memory_does_not_end_the_process(
    use_bucket: Callable[..., str], tmp_path: Path
) -> None:
    url = use_bucket("seaweedfs")
    done = subprocess.run(
        [sys.executable, "-c", UPLOAD, url, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "unavailable\n"), done.stderr
    assert open_bucket(url).get("last") == b"it goes on"
