"""Copies of SQLite databases that are in use."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pixy_core import BackupError, DBConnectionError
from pixy_data import copy_sqlite

INSERT = "INSERT INTO numbers (number, padding) VALUES (?, zeroblob(2000))"


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
