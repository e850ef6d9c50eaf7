"""Copies of SQLite databases, made while other processes read and write them."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from pixy_core import BackupError, PixyProxyException
from pixy_data.content.durable_files import sync_folder
from pixy_data.database.errors import translate_error

_STEP = 256
"""Pages; between two steps another thread may run, and a signal is seen."""


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database into a new file, as it is at one moment, and sync it.

    In WAL mode, which `engine` sets, this blocks no writer. In another mode, which SQLite takes
    where memory can't be shared, writers run between the steps and the copy starts again.

    Args:
        source: The database; it is only read.
        target: A file that does not exist.

    Raises:
        BackupError: The copy can't be written, or what is copied is damaged.
        PixyProxyException: The database can't be read.
    """
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(_open_to_read(source)) as reader, closing(sqlite3.connect(target)) as writer:
            reader.backup(writer, pages=_STEP)
            (state,) = writer.execute("PRAGMA quick_check(1)").fetchone()
        _sync(target)
    except sqlite3.Error as error:
        raise _translate(error, target) from error
    except OSError as error:
        raise BackupError(f"{target} can't be written: {error.strerror}") from error
    if state != "ok":
        raise BackupError(f"The database {source} is damaged, see PRAGMA integrity_check")


def _open_to_read(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
    )
    if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        # a snapshot: without it each write of another process starts the copy again
        connection.execute("BEGIN")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    return connection


def _translate(error: sqlite3.Error, target: Path) -> PixyProxyException:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return BackupError(f"{target} can't be written: the disk is full")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return BackupError("The database is damaged, see PRAGMA integrity_check")
    return translate_error(error, sqlite3)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
