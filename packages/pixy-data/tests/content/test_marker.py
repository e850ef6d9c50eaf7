"""The mark that a folder and a database share: when it is given, and whom it turns away."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from image_samples import make_detail
from pixy_core import StorageUnavailableError, StoreMismatchError, User
from pixy_data import (
    Database,
    FileStore,
    FolderMark,
    ImageRepository,
    StoreMarker,
    open_database,
)
from stored_images import stage_image

IMAGE = "0f/0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11.png"
SELECT = "SELECT value FROM secrets WHERE name = 'store'"
VERIFY = """
import sys, pathlib, pixy_data
database = pixy_data.open_database(sys.argv[1])
marker = pixy_data.StoreMarker(database, pixy_data.FolderMark(pathlib.Path(sys.argv[2])))
print("ready", flush=True)
sys.stdin.readline()
marker.verify()
database.close()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@pytest.fixture
def other_database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/other.db")
    yield database
    database.close()


def put_file(folder: Path) -> None:
    (folder / IMAGE).parent.mkdir()
    (folder / IMAGE).write_bytes(b"an image")


def read_marks(database: Database, folder: Path) -> tuple[str, str]:
    row = database.fetch_one(SELECT, {})
    return str(row and row[0]), (folder / ".store").read_text().strip()


def verify(database: Database, folder: Path) -> None:
    """Look with the eyes of a process that has just started."""
    StoreMarker(database, FolderMark(folder)).verify()


def test_a_new_folder_and_a_new_database_are_given_one_mark(
    database: Database, folder: Path
) -> None:
    verify(database, folder)
    known, found = read_marks(database, folder)
    assert known == found
    assert [path.name for path in folder.iterdir()] == [".store"]
    assert (folder / ".store").stat().st_mode & 0o777 == 0o600
    verify(database, folder)
    assert read_marks(database, folder) == (known, found)


def test_rows_and_files_from_before_there_were_marks_are_given_one(
    database: Database, folder: Path, images: ImageRepository, anna: User
) -> None:
    images.insert_image(make_detail(), anna)
    put_file(folder)
    verify(database, folder)
    assert len(set(read_marks(database, folder))) == 1


def test_rows_without_files_are_not_marked(
    database: Database, folder: Path, images: ImageRepository, anna: User
) -> None:
    images.insert_image(make_detail(), anna)
    for _ in range(2):
        with pytest.raises(StoreMismatchError):
            verify(database, folder)
    put_file(folder)
    verify(database, folder)


def test_files_without_rows_are_not_marked(database: Database, folder: Path) -> None:
    put_file(folder)
    with pytest.raises(StoreMismatchError):
        verify(database, folder)
    assert database.fetch_one(SELECT, {}) is None


def test_a_folder_without_its_mark_is_refused_and_taken_when_it_is_back(
    database: Database, folder: Path
) -> None:
    marker = StoreMarker(database, FolderMark(folder))
    marker.verify()
    folder.rename(folder.with_name("away"))
    for missing in (True, False):
        if not missing:
            folder.mkdir()
        for marks in (marker, StoreMarker(database, FolderMark(folder))):
            with pytest.raises(StoreMismatchError):
                marks.verify(fresh=True)
    folder.rmdir()
    folder.with_name("away").rename(folder)
    marker.verify()


def test_another_database_is_refused(
    database: Database, other_database: Database, folder: Path, tmp_path: Path
) -> None:
    verify(database, folder)
    with pytest.raises(StoreMismatchError):
        verify(other_database, folder)
    (tmp_path / "others").mkdir()
    verify(other_database, tmp_path / "others")
    with pytest.raises(StoreMismatchError):
        verify(other_database, folder)


@pytest.mark.parametrize("mark", [b"", b"junk", b"0" * 64, b"0" * 65, b"0" * 64 + b"\n" * 200])
def test_a_mark_that_was_tampered_with_is_refused(
    database: Database, folder: Path, mark: bytes
) -> None:
    verify(database, folder)
    (folder / ".store").write_bytes(mark)
    with pytest.raises(StoreMismatchError):
        verify(database, folder)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("elsewhere")])
def test_a_mark_that_is_no_file_can_not_be_read(
    database: Database, folder: Path, make: object
) -> None:
    make(folder / ".store")  # type: ignore[operator]
    with pytest.raises(StorageUnavailableError):
        verify(database, folder)


def test_a_mark_is_trusted_for_a_moment(database: Database, folder: Path) -> None:
    marker = StoreMarker(database, FolderMark(folder))
    marker.verify()
    (folder / ".store").unlink()
    marker.verify()
    with pytest.raises(StoreMismatchError):
        marker.verify(fresh=True)
    with pytest.raises(StoreMismatchError):
        marker.verify()


def test_a_missing_file_is_told_from_a_missing_volume(database: Database, folder: Path) -> None:
    store = FileStore(folder, marker=StoreMarker(database, FolderMark(folder)), reserve=0)
    store.verify()
    detail = make_detail()
    stored = stage_image(store, detail.guid, b"content")
    store.publish(stored.filename)
    image = detail.model_copy(update=stored._asdict())
    assert store.read(image) == b"content"
    folder.rename(folder.with_name("away"))
    with pytest.raises(StoreMismatchError):
        store.read(image)


def test_a_process_that_died_between_row_and_folder_is_finished_by_the_next(
    database: Database, folder: Path
) -> None:
    verify(database, folder)
    known, _ = read_marks(database, folder)
    (folder / ".store").rename(folder / f".store.{known}")
    verify(database, folder)
    assert len(set(read_marks(database, folder))) == 1


def test_accepting_marks_what_was_refused(
    database: Database, other_database: Database, folder: Path
) -> None:
    verify(database, folder)
    before = StoreMarker(other_database, FolderMark(folder))
    with pytest.raises(StoreMismatchError):
        before.verify()
    StoreMarker(other_database, FolderMark(folder)).accept()
    before.verify()
    with pytest.raises(StoreMismatchError):
        verify(database, folder)


def test_a_running_process_follows_a_mark_that_was_accepted(
    database: Database, folder: Path
) -> None:
    running = StoreMarker(database, FolderMark(folder))
    running.verify()
    StoreMarker(database, FolderMark(folder)).accept()
    running.verify(fresh=True)


def test_processes_that_start_at_once_agree_on_one_mark(
    database: Database, database_url: str, folder: Path
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", VERIFY, database_url, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    assert len(set(read_marks(database, folder))) == 1
    assert [path.name for path in folder.iterdir()] == [".store"]


def test_a_database_that_was_exchanged_is_noticed_when_it_is_asked(
    database: Database, folder: Path
) -> None:
    marker = StoreMarker(database, FolderMark(folder))
    marker.verify()
    database.execute("UPDATE secrets SET value = :value WHERE name = 'store'", {"value": "0" * 64})
    # what was right is remembered, for the sake of reads
    marker.verify(fresh=True)
    with pytest.raises(StoreMismatchError):
        marker.confirm()
    with pytest.raises(StoreMismatchError):
        FileStore(folder, marker=marker, reserve=0).check_room()


def test_the_mark_of_both_is_told_and_none_is_made(
    database: Database, other_database: Database, folder: Path
) -> None:
    marker = StoreMarker(database, FolderMark(folder))
    with pytest.raises(StoreMismatchError):
        marker.get_mark()
    assert list(folder.iterdir()) == []
    marker.verify()
    assert marker.get_mark() == read_marks(database, folder)[0]
    with pytest.raises(StoreMismatchError):
        StoreMarker(other_database, FolderMark(folder)).get_mark()
