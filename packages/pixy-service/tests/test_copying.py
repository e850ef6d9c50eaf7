"""Copying the images to another content store, and back."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from pixy_core import (
    Image,
    ImageDetail,
    PixyProxyException,
    StoreMismatchError,
)
from pixy_data import (
    ContentStore,
    Database,
    FileStore,
    ImageRepository,
    Journal,
    JournalEntry,
    StoreMarker,
    open_content,
    open_copy_target,
)
from pixy_data.content.marker import MarkPlace
from pixy_data.content.objects.bucket import Bucket
from pixy_data.content.objects.layout import image_key
from pixy_data.content.objects.mark import BucketMark
from pixy_data.content.objects.store import ObjectStore
from pixy_service import (
    Finding,
    PrivateImageService,
    StoreCopy,
    open_copy,
)
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from stored_images import content_of, damage, write_journal

Make = Callable[..., Image]
UseBucket = Callable[..., str]
Open = Callable[..., AbstractContextManager[StoreCopy]]


class Target:
    """A place that images are copied to, and what is in it.

    Attributes:
        content: The store, which checks nothing.
        marker: Its mark, and that of the database.
    """

    def __init__(self, content: ContentStore, place: MarkPlace, database: Database, open_: Open):
        self.content = content
        self.place = place
        self.marker = StoreMarker(database, place)
        self.open = open_
        self.is_files = isinstance(content, FileStore)

    def copy(self, **options: Any) -> tuple[StoreCopy, list[Finding]]:
        with self.open(**options) as copy:
            return copy, list(copy.run())

    def put(self, image: Image, content: bytes) -> None:
        """Replace the bytes of an image in it."""
        if self.is_files:
            self.content.locate(image.filename).write_bytes(content)
        else:
            self.place.write(image_key(image.filename), content)

    def write_mark(self, content: bytes) -> None:
        if self.is_files:
            folder = self.content.locate(f"{uuid.uuid4()}.png").parents[1]
            folder.mkdir(parents=True, exist_ok=True)
        self.place.write(".store", content)

    def is_marked(self) -> bool:
        return self.marker.find_store_mark() == self.marker.find_mark()

    def names(self) -> set[str]:
        return {file.name for part in self.content.inventory.list_files() for file in part}


@pytest.fixture(params=["files", "seaweedfs", "memory"])
def target(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, database: Database
) -> Target:
    if request.param == "memory":
        client = MemoryStore()
        bucket = Bucket(client, client, client)
        content = ObjectStore(bucket, tmp_path)
        place = BucketMark(bucket)
        marker = StoreMarker(database, place)

        @contextmanager
        def open_directly(**options: Any) -> Iterator[StoreCopy]:
            stores = ImageStores.over(database, open_content(database, tmp_path))
            recovery = Recovery(stores, Claims(stores), ImageAdopter(stores))
            yield StoreCopy(stores, recovery, content, marker, **options)

        return Target(content, place, database, open_directly)
    if request.param == "files":
        folder = tmp_path / "of another disk" / "data"
        to, url = str(folder), None
    else:
        to = url = request.getfixturevalue("use_bucket")(request.param)
        folder = tmp_path

    def open_place(**options: Any) -> AbstractContextManager[StoreCopy]:
        return open_copy(database_url, tmp_path, None, to, **options)

    store, marker = open_copy_target(database, folder, url)
    return Target(store, marker._place, database, open_place)


def test_every_image_is_copied_and_a_second_run_copies_nothing(
    target: Target, make_image: Make, tmp_path: Path
) -> None:
    images = [make_image() for _ in range(3)]
    copy, findings = target.copy()
    assert (findings, copy.is_complete) == ([], True)
    assert (copy.images, copy.copied, copy.surplus) == (3, 3, 0)
    for image in images:
        assert target.content.read(image) == content_of(image, tmp_path)
    assert target.is_marked()
    copy, findings = target.copy()
    assert (findings, copy.is_complete, copy.images, copy.copied, copy.bytes) == ([], True, 3, 0, 0)


def test_an_installation_without_images_is_copied(target: Target) -> None:
    copy, findings = target.copy()
    assert (findings, copy.is_complete, copy.images) == ([], True, 0)
    assert target.is_marked()


@pytest.mark.parametrize("damaged", [b"x", None], ids=["truncated", "changed"])
def test_a_damaged_image_in_the_target_is_replaced(
    target: Target, make_image: Make, tmp_path: Path, damaged: bytes | None
) -> None:
    image, _ = make_image(), make_image()
    target.copy()
    content = content_of(image, tmp_path)
    target.put(image, damaged or content[:-1] + b"?")
    copy, _ = target.copy()
    assert (copy.copied, copy.bytes, copy.is_complete) == (1, len(content), True)
    assert target.content.read(image) == content


def test_an_image_that_is_missing_or_damaged_is_reported_and_no_mark_is_written(
    target: Target, make_image: Make, tmp_path: Path
) -> None:
    gone, changed, _ = make_image(), make_image(), make_image()
    (tmp_path / "images" / gone.filename[:2] / gone.filename).unlink()
    damage(changed, tmp_path)
    copy, findings = target.copy()
    assert {(finding.kind.value, finding.guid) for finding in findings} == {
        ("missing", gone.guid),
        ("corrupt", changed.guid),
    }
    assert (copy.copied, copy.damaged, copy.is_complete) == (1, 2, False)
    assert target.marker.find_store_mark() is None
    copy, findings = target.copy(leave_damaged=True)
    assert (len(findings), copy.damaged, copy.is_complete) == (2, 2, True)
    assert target.is_marked()
    assert len(target.names()) == 1


def test_a_good_copy_of_an_image_that_was_damaged_since_is_kept(
    target: Target, make_image: Make, tmp_path: Path
) -> None:
    image = make_image()
    content = content_of(image, tmp_path)
    target.copy()
    damage(image, tmp_path)
    copy, findings = target.copy()
    assert (findings, copy.damaged, copy.is_complete) == ([], 0, True)
    assert target.content.read(image) == content


def test_images_that_are_made_meanwhile_are_copied_too(
    target: Target, make_image: Make, tmp_path: Path
) -> None:
    first, made = make_image(), list[Image]()

    def make_more(_: StoreCopy) -> None:
        if len(made) < 3:
            made.append(make_image())

    copy, _ = target.copy(on_progress=make_more)
    assert (copy.is_complete, copy.images) == (True, 4)
    assert target.names() == {image.filename for image in (first, *made)}


def test_an_image_that_is_deleted_meanwhile_is_no_finding(
    target: Target, make_image: Make, anns: PrivateImageService
) -> None:
    images = sorted((make_image() for _ in range(3)), key=lambda image: image.guid)
    left = [images[0].guid, images[2].guid]

    def delete(_: StoreCopy) -> None:
        if left:
            # one that was copied, and one that was listed and not copied yet
            anns.delete_image(left.pop())
            anns.delete_image(left.pop())

    copy, findings = target.copy(on_progress=delete)
    assert (findings, copy.damaged, copy.is_complete) == ([], 0, True)
    assert (copy.images, copy.surplus) == (1, len(target.names()) - 1)
    copy, findings = target.copy()
    assert (findings, copy.surplus) == ([], len(target.names()) - 1)


def test_what_has_no_row_any_more_is_counted_and_left(
    target: Target, make_image: Make, anns: PrivateImageService
) -> None:
    kept, deleted = make_image(), make_image()
    target.copy()
    anns.delete_image(deleted.guid)
    copy, findings = target.copy()
    assert (findings, copy.images, copy.surplus, copy.is_complete) == ([], 1, 1, True)
    assert target.names() == {kept.filename, deleted.filename}


def test_a_place_of_another_database_is_refused_and_left_alone(
    target: Target, make_image: Make
) -> None:
    make_image()
    target.write_mark(b"0" * 64 + b"\n")
    with pytest.raises(StoreMismatchError):
        target.copy()
    target.write_mark(b"what is this?")
    with pytest.raises(StoreMismatchError):
        target.copy()
    assert target.names() == set()


def test_a_source_of_another_database_is_refused(
    target: Target, make_image: Make, tmp_path: Path
) -> None:
    make_image()
    (tmp_path / "images" / ".store").unlink()
    with pytest.raises(StoreMismatchError):
        target.copy()
    assert target.names() == set()


def test_a_source_that_vanishes_meanwhile_gives_no_mark(
    target: Target, make_image: Make, tmp_path: Path
) -> None:
    for _ in range(3):
        make_image()

    def unmount(_: StoreCopy) -> None:
        if (tmp_path / "images").exists():
            (tmp_path / "images").rename(tmp_path / "away")

    with pytest.raises(PixyProxyException):
        target.copy(on_progress=unmount)
    assert target.marker.find_store_mark() is None


@pytest.fixture
def waiting(make_image: Make, database: Database, tmp_path: Path) -> Image:
    """An image whose row was lost, and that is in the journal."""
    image = make_image()
    entry = JournalEntry(
        image=ImageDetail(**image.model_dump(include=set(ImageDetail.model_fields))),
        owner="ann",
        class_key="red",
        created_at=image.created_at,
    )
    write_journal(Journal(tmp_path / "journal"), entry)
    ImageRepository(database).delete_image(image.guid, "ann")
    return image


def test_an_entry_of_the_journal_becomes_a_row_and_is_copied(
    target: Target, waiting: Image
) -> None:
    copy, findings = target.copy()
    assert (findings, copy.copied, copy.is_complete) == ([], 1, True)
    assert target.names() == {waiting.filename}


def test_an_entry_that_can_not_become_a_row_is_reported_and_no_mark_is_written(
    target: Target, waiting: Image, make_image: Make, tmp_path: Path
) -> None:
    (tmp_path / "journal" / f"{waiting.guid}.json").write_text("{")
    make_image()
    copy, (finding,) = target.copy(leave_damaged=True)
    assert (finding.kind, finding.path) == ("waiting", f"journal/{waiting.guid}.json")
    assert (copy.copied, copy.waiting, copy.is_complete) == (1, 1, False)
    assert target.marker.find_store_mark() is None


def test_an_image_that_is_being_made_is_no_obstacle(target: Target, tmp_path: Path) -> None:
    with FileStore(tmp_path / "images", reserve=0).reserve(str(uuid.uuid4()), 100):
        copy, findings = target.copy()
    assert (findings, copy.is_complete) == ([], True)


# there and back, as an operator does it
