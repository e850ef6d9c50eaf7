"""Copies of SQLite databases that other processes read and write."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from pixy_core import BackupError, PixyProxyException
from pixy_data.content.durable_files import open_private, open_to_read, sync_folder
from pixy_data.database.errors import translate_error

_STEP = 256
"""Pages; between two steps other threads run and signals are handled."""


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a consistent snapshot of a database into a new file, and sync it.

    In WAL mode, which `engine` sets, this blocks no writer. In other modes, which SQLite uses
    where memory can't be shared, the copy starts again after each write.

    Raises:
        BackupError: The copy can't be written, or the database is damaged.
        PixyProxyException: The database can't be read.
    """
    try:
        os.close(open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
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
        # begin a snapshot: without it each write of another process starts the copy again
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
    descriptor = open_to_read(path)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
