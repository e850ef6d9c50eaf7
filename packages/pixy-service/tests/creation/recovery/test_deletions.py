"""Images whose rows are gone and whose files are not: removed later, by any process."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pixy_core import Image, RecordNotFoundError, StoreMismatchError
from pixy_data import Deletion, FileStore, FolderMark, StoreMarker
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.recovery import Recovery
from pixy_service.images.deletion import ImageRemover
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.stores import ImageStores

Delete = Callable[[str], None]
LogCapture = pytest.LogCaptureFixture
LAST = "ffffffff-0000-4000-8000-000000000000"


@pytest.fixture
def other(stores: ImageStores, tmp_path: Path) -> Recovery:
    """The recovery of another process."""
    thumbnails = Thumbnails(stores.content)
    remover = ImageRemover(stores, thumbnails)
    return Recovery(stores, Claims(stores), ImageAdopter(stores), remover.finish_deletions)


@pytest.fixture
def file(stores: ImageStores, image: Image) -> Path:
    return stores.content.locate(image.filename)


def block(path: Path) -> Callable[[], None]:
    """Put a folder in a file's place, which unlink refuses; return what puts the file back."""
    content = path.read_bytes() if path.exists() else b"thumbnail"
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)

    def unblock() -> None:
        path.rmdir()
        path.write_bytes(content)

    return unblock


def errors(caplog: LogCapture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


def test_a_finished_deletion_is_not_listed(
    stores: ImageStores, image: Image, file: Path, delete: Delete
) -> None:
    delete(image.guid)
    assert not file.exists()
    assert stores.deletions.list_deletions(9) == []


def test_a_file_that_could_not_be_removed_is_removed_by_another_process(
    stores: ImageStores, image: Image, file: Path, delete: Delete, other: Recovery
) -> None:
    unblock = block(file)
    delete(image.guid)
    unblock()
    assert file.exists()
    other.run_once()
    assert not file.exists()
    assert stores.deletions.list_deletions(9) == []


def test_thumbnails_that_could_not_be_removed_are_removed_later(
    stores: ImageStores, image: Image, delete: Delete, other: Recovery, tmp_path: Path
) -> None:
    thumbnail = tmp_path / "thumbnails" / image.guid[:2] / f"{image.guid}.160.webp"
    unblock = block(thumbnail)
    delete(image.guid)
    assert len(stores.deletions.list_deletions(9)) == 1
    unblock()
    other.run_once()
    assert not thumbnail.exists()
    assert stores.deletions.list_deletions(9) == []


def test_a_partial_image_goes_with_its_image(
    stores: ImageStores, image: Image, delete: Delete, tmp_path: Path
) -> None:
    partial = tmp_path / "images" / ".staging" / f"{image.guid}.partial.png.part"
    partial.write_bytes(b"partial")
    delete(image.guid)
    assert not partial.exists()


def test_a_file_that_stays_stuck_is_logged_once_and_holds_up_no_other(
    stores: ImageStores, file: Path, delete: Delete, other: Recovery, caplog: LogCapture
) -> None:
    guid = file.stem
    block(file)
    delete(guid)
    later = Deletion(LAST, f"{LAST}.png")
    stores.deletions.insert_deletion(later)
    later_file = stores.content.locate(later.filename)
    later_file.parent.mkdir()
    later_file.write_bytes(b"x")
    caplog.clear()
    for _ in range(3):
        other.run_once()
    assert not later_file.exists()
    assert [guid in line for line in errors(caplog)] == [True]
    assert [deletion.guid for deletion in stores.deletions.list_deletions(9)] == [guid]


def test_a_deletion_that_failed_is_not_found_any_more(
    image: Image, file: Path, delete: Delete
) -> None:
    block(file)
    delete(image.guid)
    with pytest.raises(RecordNotFoundError):
        delete(image.guid)


def test_the_file_of_an_image_whose_row_came_back_is_kept(
    stores: ImageStores, image: Image, file: Path, other: Recovery, caplog: LogCapture
) -> None:
    stores.deletions.insert_deletion(Deletion(image.guid, image.filename))
    other.run_once()
    assert file.exists()
    assert stores.deletions.list_deletions(9) == []
    assert [image.guid in line for line in errors(caplog)] == [True]


def test_an_image_whose_row_came_back_can_be_deleted_again(
    stores: ImageStores, image: Image, file: Path, delete: Delete
) -> None:
    stores.deletions.insert_deletion(Deletion(image.guid, image.filename))
    delete(image.guid)
    assert not file.exists()
    assert stores.deletions.list_deletions(9) == []


def test_deletions_stay_listed_while_the_volume_is_away(
    stores: ImageStores, image: Image, file: Path, delete: Delete, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    marker = StoreMarker(stores.database, FolderMark(folder))
    marker.accept()
    marked = replace(stores, content=FileStore(folder, marker=marker))
    thumbnails = Thumbnails(marked.content)
    unblock = block(file)
    delete(image.guid)
    unblock()
    folder.rename(tmp_path / "unmounted")
    folder.mkdir()
    remover = ImageRemover(marked, thumbnails)
    with pytest.raises(StoreMismatchError):
        remover.finish_deletions()
    folder.rmdir()
    (tmp_path / "unmounted").rename(folder)
    assert file.exists()
    remover.finish_deletions()
    assert not file.exists()


def test_many_files_that_stay_stuck_hold_up_no_other(stores: ImageStores, other: Recovery) -> None:
    guids = [f"{digit:08x}-0000-4000-8000-000000000000" for digit in range(9)]
    for guid in (*guids, LAST):
        stores.deletions.insert_deletion(Deletion(guid, f"{guid}.png"))
    for guid in guids:
        block(stores.content.locate(f"{guid}.png"))
    file = stores.content.locate(f"{LAST}.png")
    file.parent.mkdir()
    file.write_bytes(b"x")
    for _ in guids:
        other.run_once()
    assert not file.exists()
    assert [deletion.guid for deletion in stores.deletions.list_deletions(99)] == guids
