"""Durable copies of single files, and of SQLite databases that are in use."""

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pixy_core import BackupError, DBConnectionError
from pixy_data import FileCopier, copy_sqlite

CONTENT = os.urandom(3 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
INSERT = "INSERT INTO numbers (number, padding) VALUES (?, zeroblob(2000))"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "copies" / "copy"


def copy(source: Path, target: Path, **expected: int | str) -> str | None:
    copier = FileCopier()
    outcome = copier.copy(source, target, **expected)  # type: ignore[arg-type]
    copier.sync()
    assert copier.bytes == (target.stat().st_size if copier.files else 0)
    return outcome


def test_a_copy_is_a_file_of_its_own(source: Path, target: Path) -> None:
    assert copy(source, target, size=len(CONTENT), sha256=SHA256) is None
    assert target.read_bytes() == CONTENT
    assert (target.stat().st_mode & 0o777, target.stat().st_nlink) == (0o600, 1)
    assert target.parent.stat().st_mode & 0o777 == 0o700


def test_of_a_longer_file_its_beginning_is_copied(source: Path, target: Path) -> None:
    # space may have been reserved for it
    with source.open("ab") as file:
        file.write(bytes(1000))
    assert copy(source, target, size=len(CONTENT), sha256=SHA256) is None
    assert target.read_bytes() == CONTENT


def test_a_copy_of_the_right_size_is_left_as_it_is(source: Path, target: Path) -> None:
    copy(source, target)
    inode = target.stat().st_ino
    assert copy(source, target, size=len(CONTENT), sha256=SHA256) is None
    assert target.stat().st_ino == inode


@pytest.mark.parametrize(
    ("damage", "outcome"),
    [
        (Path.unlink, "missing"),
        (lambda path: os.truncate(path, 100), "corrupt"),
        (lambda path: path.write_bytes(CONTENT[:-1] + b"?"), "corrupt"),
        (lambda path: (path.unlink(), path.mkdir()), "corrupt"),
        (lambda path: (path.rename(f"{path}.x"), path.symlink_to(f"{path}.x")), "corrupt"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "corrupt"),
    ],
    ids=["missing", "short", "changed", "folder", "link", "pipe"],
)
def test_what_is_not_the_file_leaves_no_copy(
    source: Path, target: Path, damage: Callable[[Path], object], outcome: str
) -> None:
    damage(source)
    assert copy(source, target, size=len(CONTENT), sha256=SHA256) == outcome
    assert list(target.parent.glob("*")) == []


def test_a_place_that_can_not_be_written_is_told(source: Path, target: Path) -> None:
    target.parent.touch()
    with pytest.raises(BackupError, match="can't be written"):
        copy(source, target)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a database.sqlite3"


@pytest.fixture
def writer(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_writer(path)) as writer:
        writer.execute("CREATE TABLE numbers (number INTEGER, padding BLOB)")
        writer.executemany(INSERT, [(number,) for number in range(2000)])
        yield writer


def open_writer(path: Path, mode: str = "WAL") -> sqlite3.Connection:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute(f"PRAGMA journal_mode = {mode}")
    return writer


def count(path: Path) -> tuple[int, int]:
    """Return how many rows there are, and their greatest number."""
    with closing(sqlite3.connect(path)) as reader:
        rows, last = reader.execute("SELECT COUNT(*), MAX(number) FROM numbers").fetchone()
        return rows, last


def test_rows_that_are_only_in_the_log_are_copied(
    writer: sqlite3.Connection, path: Path, tmp_path: Path
) -> None:
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    writer.execute(INSERT, (2000,))
    assert Path(f"{path}-wal").stat().st_size > 0
    copy_sqlite(path, tmp_path / "copy")
    assert count(tmp_path / "copy") == (2001, 2000)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600


def test_a_copy_ends_while_others_write_and_blocks_none_of_them(
    writer: sqlite3.Connection, path: Path, tmp_path: Path
) -> None:
    stopping, numbers, failures = threading.Event(), [2000], list[Exception]()

    def write() -> None:
        with closing(open_writer(path)) as other:
            # a lock that a copy held would be met at once
            other.execute("PRAGMA busy_timeout = 0")
            while not stopping.is_set():
                try:
                    other.execute(INSERT, (numbers[-1],))
                except sqlite3.Error as error:
                    failures.append(error)
                numbers.append(numbers[-1] + 1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(3):
            copy_sqlite(path, tmp_path / f"copy {number}")
    finally:
        stopping.set()
        thread.join()
    assert failures == []
    for number in range(3):
        rows, last = count(tmp_path / f"copy {number}")
        assert rows == last + 1


def test_a_database_with_a_rollback_journal_is_copied(path: Path, tmp_path: Path) -> None:
    with closing(open_writer(path, "DELETE")) as writer:
        writer.execute("CREATE TABLE numbers (number INTEGER, padding BLOB)")
        writer.execute(INSERT, (0,))
        copy_sqlite(path, tmp_path / "copy")
        assert count(tmp_path / "copy") == (1, 0)


def test_a_damaged_database_is_told(path: Path, writer: sqlite3.Connection, tmp_path: Path) -> None:
    writer.close()
    content = bytearray(path.read_bytes())
    content[-200_000:] = b"?" * 200_000
    path.write_bytes(content)
    with pytest.raises(BackupError, match="damaged"):
        copy_sqlite(path, tmp_path / "copy")
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(BackupError, match="damaged"):
        copy_sqlite(path, tmp_path / "another copy")


def test_what_can_not_be_read_or_written_is_told(
    writer: sqlite3.Connection, path: Path, tmp_path: Path
) -> None:
    with pytest.raises(DBConnectionError):
        copy_sqlite(tmp_path / "nowhere", tmp_path / "copy")
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(BackupError, match="No such file"):
        copy_sqlite(path, tmp_path / "no folder" / "copy")
    (tmp_path / "there").touch()
    with pytest.raises(BackupError, match="File exists"):
        copy_sqlite(path, tmp_path / "there")
