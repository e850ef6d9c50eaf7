"""Partial images on disk: one for each image in the making, whole, and gone without harm."""

import logging
import shutil
import threading
from pathlib import Path

import pytest

from pixy_data import FileInventory, FileStore, PartialImage, PartialImageStore
from pixy_data.content.files.partial_images import PartialImageFiles

GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
OTHER = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b12"
PNG = PartialImage(b"rough", "image/png")
JPEG = PartialImage(b"finer", "image/jpeg")


@pytest.fixture
def store(tmp_path: Path) -> PartialImageStore:
    return PartialImageFiles(tmp_path / "unfinished", reserve=0)


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_latest_is_found_and_no_other(store: PartialImageStore, tmp_path: Path) -> None:
    assert (store.find(GUID), store.has(GUID)) == (None, False)
    for picture in (PNG, JPEG, PartialImage(b"finest", "image/jpeg")):
        store.write(GUID, picture)
        assert (store.find(GUID), store.has(GUID)) == (picture, True)
    assert (store.find(OTHER), store.has(OTHER)) == (None, False)
    assert list_files(tmp_path) == [f"{GUID}.partial.jpeg.part"]


def test_deleting_removes_that_of_one_image_and_again_is_fine(
    store: PartialImageStore, tmp_path: Path
) -> None:
    store.write(GUID, PNG)
    store.write(OTHER, PNG)
    store.delete(GUID)
    store.delete(GUID)
    assert list_files(tmp_path) == [f"{OTHER}.partial.png.part"]


def test_files_are_for_their_owner_alone(store: PartialImageStore, tmp_path: Path) -> None:
    store.write(GUID, PNG)
    path = tmp_path / "unfinished" / f"{GUID}.partial.png.part"
    assert [oct(p.stat().st_mode & 0o777) for p in (path, path.parent)] == ["0o600", "0o700"]


def test_a_reader_never_sees_half_of_one(store: PartialImageStore) -> None:
    pictures = [PartialImage(bytes([number]) * 500_000, "image/png") for number in (1, 2)]
    store.write(GUID, pictures[0])

    def write() -> None:
        for number in range(50):
            store.write(GUID, pictures[number % 2])

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        assert store.find(GUID) in pictures
    writer.join()


def test_what_images_may_need_is_left_free(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    full = PartialImageFiles(tmp_path, reserve=shutil.disk_usage(tmp_path).total)
    full.write(GUID, PNG)
    assert (full.find(GUID), list_files(tmp_path), caplog.records) == (None, [], [])


def test_a_disk_that_fails_is_only_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "unfinished").write_bytes(b"a file where the folder should be")
    store = PartialImageFiles(tmp_path / "unfinished", reserve=0)
    store.write(GUID, PNG)
    assert (store.find(GUID), store.has(GUID)) == (None, False)
    store.delete(GUID)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert len(caplog.records) == 2


def test_a_link_in_its_place_is_not_followed(store: PartialImageStore, tmp_path: Path) -> None:
    store.write(OTHER, PNG)
    secret = tmp_path / "secret"
    secret.write_bytes(b"not to be shown")
    (tmp_path / "unfinished" / f"{GUID}.partial.png.part").symlink_to(secret)
    assert store.find(GUID) is None


def test_what_is_left_is_found_where_everything_unfinished_is(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    content = FileStore(tmp_path / "images", reserve=0)
    content.partials.write(GUID, PNG)
    (leftover,) = content.staging.leftovers.list_older(0)
    assert leftover.guid == GUID
    files = FileInventory(tmp_path / "images", tmp_path / "journal")
    assert [file.guid for file in files.list_unfinished()] == [GUID]
    assert list(files.list_files()) == []
    content.staging.leftovers.remove_older(leftover.name, 0)
    assert content.partials.find(GUID) is None
