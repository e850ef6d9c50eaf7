"""The contract of a content store, on files, on objects in memory, and on two S3 servers."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from image_samples import make_detail
from pixy_core import ContentDamagedError, ImageDetail, InvalidInputError, StoreMismatchError
from pixy_data import (
    PART_SIZE,
    AnswerNote,
    ContentStore,
    Database,
    FileRecord,
    FileStore,
    FolderMark,
    JournalEntry,
    PartialImage,
    StoreMarker,
    ThumbnailName,
)
from pixy_data.content.marker import MarkPlace
from pixy_data.content.objects.bucket import Bucket, open_bucket
from pixy_data.content.objects.layout import image_key
from pixy_data.content.objects.mark import BucketMark
from pixy_data.content.objects.store import ObjectStore

CONTENT = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
LARGE = 64 * 1024 * 1024

Open = Callable[..., tuple[ContentStore, MarkPlace]]
"""Opens the store of the test once more, as another process does."""


@pytest.fixture(params=["files", "memory", "seaweedfs", "moto"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "files":

        def open_files(marker: StoreMarker | None = None) -> tuple[ContentStore, MarkPlace]:
            folder = tmp_path / "images"
            folder.mkdir(exist_ok=True)
            return FileStore(folder, reserve=0, marker=marker), FolderMark(folder)

        return open_files
    if request.param == "memory":
        client = MemoryStore()
        bucket = Bucket(client, client, client)
    else:
        use: Callable[[str], str] = request.getfixturevalue("use_bucket")
        bucket = open_bucket(use(request.param))

    def open_objects(marker: StoreMarker | None = None) -> tuple[ContentStore, MarkPlace]:
        return ObjectStore(bucket, tmp_path, reserve=0, marker=marker), BucketMark(bucket)

    return open_objects


@pytest.fixture
def store(open_store: Open) -> ContentStore:
    return open_store()[0]


def entry_of(
    store: ContentStore, content: bytes = CONTENT, media_type: str = "image/png"
) -> JournalEntry:
    detail = make_detail(prompt="a fox 🦊")
    stored = store.describe(detail.guid, media_type, content)
    image = detail.model_copy(update={**stored._asdict(), "media_type": media_type})
    return JournalEntry(
        image=image,
        owner="ann",
        class_key="red",
        created_at=datetime(2026, 11, 29, 12, 30, 0, 123456, tzinfo=UTC),
    )


def keep(store: ContentStore, content: bytes = CONTENT, **options: Any) -> JournalEntry:
    """Keep an image without publishing it."""
    entry = entry_of(store, content, **options)
    with store.reserve(entry.image.guid, len(content)) as reservation:
        reservation.keep(entry, content)
    return entry


def make(store: ContentStore, content: bytes = CONTENT, **options: Any) -> ImageDetail:
    """Make an image as a create does, and return its row."""
    entry = keep(store, content, **options)
    store.publish(entry.image.filename)
    store.forget(entry.image.guid)
    return entry.image


def record_of(image: ImageDetail) -> FileRecord:
    return FileRecord(image.guid, image.filename, image.size or 0, image.sha256 or "")


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp"])
def test_what_was_kept_is_read(store: ContentStore, media_type: str) -> None:
    image = make(store, media_type=media_type)
    assert store.read(image) == CONTENT
    assert store.has(image)
    file, first = store.open(image, range(len(CONTENT)))
    with file:
        assert (first, file.size) == (CONTENT, len(CONTENT))
        assert file.read(1000, 2000) == CONTENT[1000:2000]
        assert file.read(10) == CONTENT[10:]
    with store.open_locally(image) as local:
        assert local.read() == CONTENT


def test_an_empty_image_is_an_image(store: ContentStore) -> None:
    image = make(store, b"")
    assert store.read(image) == b""
    assert store.open(image, range(0))[1] == b""
    with store.open_locally(image) as local:
        assert local.read() == b""


def test_a_large_image_is_read_in_parts(store: ContentStore) -> None:
    content = uuid.uuid4().bytes * (LARGE // 16)
    image = make(store, content)
    file, first = store.open(image, range(5, LARGE))
    with file:
        assert first == content[5 : 5 + file.part_size]
        last = range(LARGE - file.part_size, LARGE)
        assert file.read(last.start, last.stop) == content[last.start :]


def test_an_upload_is_kept(store: ContentStore) -> None:
    with store.spool(None, 1 << 20) as file:
        file.write(CONTENT)
        entry = entry_of(store)
        with store.reserve(entry.image.guid, file.size) as reservation:
            reservation.keep(entry, file)
    store.publish(entry.image.filename)
    assert store.read(entry.image) == CONTENT


def test_a_guid_that_is_not_canonical_is_refused(store: ContentStore) -> None:
    with pytest.raises(InvalidInputError), store.reserve("../../etc/passwd", 1):
        pass


def test_what_is_kept_waits_until_it_is_forgotten(store: ContentStore, open_store: Open) -> None:
    entry = keep(store)
    guid = entry.image.guid
    other, _ = open_store()
    assert other.list_kept() == [guid]
    assert other.has_kept(guid)
    assert other.find_kept(guid) == entry
    other.publish(entry.image.filename)
    other.publish(entry.image.filename)
    assert other.read(entry.image) == CONTENT
    other.forget(guid)
    other.forget(guid)
    assert (other.list_kept(), other.has_kept(guid), other.find_kept(guid)) == ([], False, None)


def test_keeping_twice_is_harmless(store: ContentStore) -> None:
    entry = entry_of(store)
    with store.reserve(entry.image.guid, 10) as reservation:
        reservation.keep(entry, CONTENT)
        if isinstance(store, ObjectStore):  # a file has another name afterwards
            reservation.keep(entry, CONTENT)
    store.publish(entry.image.filename)
    assert store.read(entry.image) == CONTENT


def test_a_reservation_without_an_image_leaves_nothing(store: ContentStore) -> None:
    guid = str(uuid.uuid4())
    with store.reserve(guid, 1000):
        assert not store.has_kept(guid)
        assert store.find_kept(guid) is None
    assert store.list_kept() == []
    assert store.list_leftovers(0) == []
    assert list(store.inventory.list_files()) == []


def test_a_probe_leaves_no_image(store: ContentStore) -> None:
    store.probe()
    store.probe()
    assert (store.list_kept(), store.list_leftovers(0)) == ([], [])
    assert list(store.inventory.list_files()) == []


def test_other_bytes_of_the_same_size_are_noticed(store: ContentStore) -> None:
    image = make(store)
    other = image.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(ContentDamagedError):
        store.open(other, range(len(CONTENT)))


def test_what_is_unfinished_is_set_aside_under_names_of_its_own(
    store: ContentStore, open_store: Open
) -> None:
    guid = str(uuid.uuid4())
    store.partials.write(guid, PartialImage(b"half", "image/png"))
    with store.reserve(guid, 10):
        other, _ = open_store()
        unfinished = list(other.inventory.list_unfinished())
        places = {other.set_aside(file) for file in unfinished}
    assert len(places) == len(unfinished) >= 2


def test_what_a_dead_process_has_reserved_is_removed(store: ContentStore, open_store: Open) -> None:
    guid = str(uuid.uuid4())
    reserving = store.reserve(guid, 10)
    reserving.__enter__()
    other, _ = open_store()
    other.drop_reservation(guid, 60)
    assert {leftover.guid for leftover in other.list_leftovers(0)} == {guid}
    other.drop_reservation(guid, 0)
    left = other.list_leftovers(0)
    # files are found by the next listing, seconds later
    assert not left or isinstance(other, FileStore)
    assert all(other.remove_leftover(leftover, 0) for leftover in left)
    assert other.list_leftovers(0) == []


def test_a_deleted_image_is_gone(store: ContentStore) -> None:
    image = make(store)
    store.delete(image.filename)
    store.delete(image.filename)
    assert not store.has(image)
    with pytest.raises(ContentDamagedError):
        store.read(image)
    with pytest.raises(ContentDamagedError):
        store.open(image, range(10))
    with pytest.raises(ContentDamagedError), store.open_locally(image):
        pass


@pytest.mark.parametrize("name", ["../x.png", "x.png", "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11.svg"])
def test_a_name_that_no_image_has_is_refused(store: ContentStore, name: str) -> None:
    image = make_detail().model_copy(update={"filename": name, "size": 1, "sha256": "0" * 64})
    with pytest.raises(ContentDamagedError):
        store.read(image)
    with pytest.raises(ContentDamagedError):
        store.delete(name)


def test_a_row_of_other_bytes_is_noticed(store: ContentStore) -> None:
    image = make(store)
    other = image.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(ContentDamagedError):
        store.read(other)
    with pytest.raises(ContentDamagedError), store.open_locally(other):
        pass
    longer = image.model_copy(update={"size": len(CONTENT) + 1})
    with pytest.raises(ContentDamagedError):
        store.open(longer, range(len(CONTENT) + 1))


def test_images_are_listed_in_order_and_compared(store: ContentStore) -> None:
    images = sorted((make(store) for _ in range(8)), key=lambda image: image.guid)
    listed = [file for part in store.inventory.list_files() for file in part]
    assert [file.guid for file in listed] == [image.guid for image in images]
    assert [file.name for file in listed] == [image.filename for image in images]
    assert all(file.age is not None and file.age < 60 for file in listed)
    missing, corrupt = images[2], images[5]
    store.delete(missing.filename)
    records = [record_of(image) for image in images]
    records[5] = records[5]._replace(size=1)
    found = dict(store.inventory.compare(records, deep=True))
    outcomes = {record.guid: outcome for record, outcome in found.items() if outcome}
    assert outcomes == {missing.guid: "missing", corrupt.guid: "corrupt"}


def test_bytes_that_are_others_are_found_by_reading(store: ContentStore) -> None:
    record = record_of(make(store))._replace(sha256="0" * 64)
    assert list(store.inventory.compare([record], deep=True)) == [(record, "corrupt")]


def test_a_file_is_set_aside_and_not_lost(store: ContentStore) -> None:
    make(store)
    ((file,),) = store.inventory.list_files()
    assert store.inventory.has(file)
    place = store.set_aside(file)
    assert place == f"quarantine/{file.name}"
    assert not store.inventory.has(file)
    assert list(store.inventory.list_files()) == []


def test_what_is_in_quarantine_is_never_replaced(
    store: ContentStore, open_store: Open, tmp_path: Path
) -> None:
    record = record_of(make(store))
    contents, places = [CONTENT, b"another", b"one more"], []
    for content in contents:
        store.copy_in(record, content)
        ((file,),) = store.inventory.list_files()
        places.append(store.set_aside(file))
    if isinstance(store, FileStore):
        kept = [(tmp_path / place).read_bytes() for place in places]
    else:
        kept = [open_store()[1].read(place) for place in places]
    assert kept == contents


def test_what_is_unfinished_is_found_and_removed(store: ContentStore) -> None:
    guid = str(uuid.uuid4())
    store.partials.write(guid, PartialImage(b"half", "image/png"))
    assert store.list_leftovers(60) == []
    (leftover,) = store.list_leftovers(0)
    assert leftover.guid == guid
    assert not store.remove_leftover(leftover, 60)
    assert store.remove_leftover(leftover, 0)
    assert store.list_leftovers(0) == []


def test_a_partial_image_is_replaced_and_removed(store: ContentStore) -> None:
    guid, partials = str(uuid.uuid4()), store.partials
    assert (partials.has(guid), partials.find(guid)) == (False, None)
    partials.write(guid, PartialImage(b"first", "image/png"))
    partials.write(guid, PartialImage(b"second", "image/webp"))
    assert partials.has(guid)
    assert partials.find(guid) == PartialImage(b"second", "image/webp")
    partials.delete(guid)
    partials.delete(guid)
    assert (partials.has(guid), partials.find(guid)) == (False, None)


def test_thumbnails_are_found_until_they_are_deleted(store: ContentStore) -> None:
    image = make(store)
    stamp = store.stamp(image)
    assert stamp is not None
    name = ThumbnailName(image.guid, 320, "image/webp", 1)
    other = ThumbnailName(str(uuid.uuid4()), 320, "image/webp", 1)
    assert store.thumbnails.find(name, stamp) is None
    store.thumbnails.write(name, b"small", stamp)
    store.thumbnails.write(other, b"another", stamp)
    assert store.thumbnails.find(name, stamp) == b"small"
    assert store.thumbnails.find(name._replace(width=640), stamp) is None
    assert store.thumbnails.find(name._replace(version=2), stamp) is None
    store.thumbnails.delete(image.guid)
    store.thumbnails.delete(image.guid)
    assert store.thumbnails.find(name, stamp) is None
    assert store.thumbnails.find(other, stamp) == b"another"


def test_a_response_without_an_image_is_kept(store: ContentStore) -> None:
    note = AnswerNote(
        guid=str(uuid.uuid4()),
        owner="ann",
        prompt="a fox",
        size="auto",
        quality="auto",
        created_at=datetime.now(UTC),
        code="x",
        billed="unknown",
        upstream_request_id=None,
        answer_size=4,
    )
    assert f"{note.guid}.answer" in store.keep_answer(note, b"junk")


def test_a_store_belongs_to_one_database(open_store: Open, database: Database) -> None:
    _, place = open_store()
    marked, _ = open_store(StoreMarker(database, place))
    marked.verify()
    image = make(marked)
    database.execute("UPDATE secrets SET value = :other WHERE name = 'store'", {"other": "f" * 64})
    other, _ = open_store(StoreMarker(database, place))
    for use in (
        other.verify,
        other.check_room,
        lambda: other.read(image),
        lambda: other.open(image, range(1)),
        lambda: other.spool(None, 10),
        lambda: other.publish(image.filename),
    ):
        with pytest.raises(StoreMismatchError):
            use()
    with pytest.raises(StoreMismatchError), other.reserve(str(uuid.uuid4()), 1):
        pass


def test_a_store_with_images_and_no_mark_is_refused(open_store: Open, database: Database) -> None:
    store, place = open_store()
    make(store)
    with pytest.raises(StoreMismatchError):
        StoreMarker(database, place).verify()
    StoreMarker(database, place).accept()
    StoreMarker(database, place).verify()


def test_an_image_that_has_its_row_is_copied_in(store: ContentStore, tmp_path: Path) -> None:
    image = entry_of(store).image
    record = record_of(image)
    assert not store.inventory.is_whole(record)
    assert store.inventory.find_difference(record) == "missing"
    assert list(store.inventory.list_absent([record])) == [record]
    for _ in range(2):
        store.copy_in(record, CONTENT)
    assert store.inventory.is_whole(record)
    assert store.inventory.find_difference(record) is None
    assert list(store.inventory.list_absent([record])) == []
    assert store.read(image) == store.read(record) == CONTENT
    assert store.list_kept() == list(store.inventory.list_unfinished()) == []
    if isinstance(store, FileStore):
        assert oct(store.locate(image.filename).stat().st_mode)[-3:] == "640"


@pytest.mark.parametrize("damaged", [CONTENT[:-1], CONTENT[:-1] + b"?"], ids=["short", "changed"])
def test_a_damaged_image_is_not_whole_and_is_replaced(
    store: ContentStore, open_store: Open, damaged: bytes
) -> None:
    image = make(store)
    record = record_of(image)
    assert store.inventory.is_whole(record)
    is_short = len(damaged) < len(CONTENT)
    if isinstance(store, FileStore):
        store.locate(image.filename).write_bytes(damaged)
    else:
        # without the hash that a store keeps with an image, as another program writes it
        open_store()[1].write(image_key(image.filename), damaged)
    assert not store.inventory.is_whole(record)
    assert store.inventory.find_difference(record) == "corrupt"
    assert list(store.inventory.list_absent([record])) == ([record] if is_short else [])
    store.copy_in(record, CONTENT)
    assert store.inventory.is_whole(record)


def test_an_object_of_another_program_is_read(open_store: Open) -> None:
    store, place = open_store()
    if isinstance(store, FileStore):
        pytest.skip("files are always read")
    large = CONTENT * 500
    image = entry_of(store, large).image
    place.write(image_key(image.filename), large)
    assert store.inventory.is_whole(record_of(image))


def test_a_name_that_is_none_of_an_image_is_never_copied_in(store: ContentStore) -> None:
    record = FileRecord(str(uuid.uuid4()), "../../outside.png", 1, "0" * 64)
    with pytest.raises(ContentDamagedError):
        store.copy_in(record, b"x")
    assert not store.inventory.is_whole(record)


def test_images_are_listed_in_parts_whose_rows_one_query_finds(store: ContentStore) -> None:
    names = sorted(f"{uuid.uuid4()}.png" for _ in range(PART_SIZE + 1))
    for name in names:
        store.copy_in(FileRecord(name[:36], name, 1, "0" * 64), b"x")
    parts = list(store.inventory.list_files())
    assert [len(part) for part in parts] == [PART_SIZE, 1]
    assert [file.name for part in parts for file in part] == names
