"""The data layer: rows in MySQL or SQLite, image bytes in files.

This module opens and initialises a database: connect, check, migrate.
"""

import errno
import os
from pathlib import Path

from pixy_core import ConfigurationError, DatabaseError, DBConnectionError, SchemaError
from pixy_data.backups.file_copies import FileCopier
from pixy_data.backups.folder import BackupFolder, BackupManifest, DatabaseCopy
from pixy_data.backups.journal_copies import ImageFolders, JournalCopier
from pixy_data.backups.restore_target import RestoreTarget
from pixy_data.backups.sqlite_copies import copy_sqlite
from pixy_data.content.inventory import FileRecord, FoundFile, FoundFiles, Inventory
from pixy_data.content.journal import Journal, JournalEntry, Reservation, reserve_image
from pixy_data.content.marker import StoreMarker
from pixy_data.content.partial_images import PartialImage, PartialImageStore
from pixy_data.content.quarantine import AnswerNote, Quarantine
from pixy_data.content.reading import ContentFile
from pixy_data.content.store import ContentStore, StoredContent
from pixy_data.content.thumbnails import ThumbnailName, ThumbnailStore, stamp_file
from pixy_data.creations import LEASE, CreationRepository, Lease
from pixy_data.database.database import Database, DatabaseContext, Result, Row, run_transaction
from pixy_data.database.engine import DatabaseLocation, locate_database
from pixy_data.database.errors import ServerRefusalError
from pixy_data.database.greenlets import QueryRunner
from pixy_data.database.schema import (
    SCHEMA_REVISION,
    SELECT_REVISION,
    SELECT_SERVER,
    check_server,
    explain_refusal,
)
from pixy_data.deletions import Deletion, DeletionRepository
from pixy_data.images import ImageRepository
from pixy_data.interfaces import UserRepositoryInterface, Viewer
from pixy_data.keyset import Position
from pixy_data.sign_in_failures import SignInFailure, SignInFailureRepository
from pixy_data.users import UserRepository

__all__ = [
    "LEASE",
    "AnswerNote",
    "BackupFolder",
    "BackupManifest",
    "ContentFile",
    "ContentStore",
    "CreationRepository",
    "Database",
    "DatabaseContext",
    "DatabaseCopy",
    "DatabaseLocation",
    "Deletion",
    "DeletionRepository",
    "FileCopier",
    "FileRecord",
    "FoundFile",
    "FoundFiles",
    "ImageFolders",
    "ImageRepository",
    "Inventory",
    "Journal",
    "JournalCopier",
    "JournalEntry",
    "Lease",
    "PartialImage",
    "PartialImageStore",
    "Position",
    "Quarantine",
    "QueryRunner",
    "Reservation",
    "RestoreTarget",
    "Result",
    "Row",
    "SignInFailure",
    "SignInFailureRepository",
    "StoreMarker",
    "StoredContent",
    "ThumbnailName",
    "ThumbnailStore",
    "UserRepository",
    "UserRepositoryInterface",
    "Viewer",
    "check_revision",
    "copy_sqlite",
    "find_revision",
    "initialise_database",
    "locate_database",
    "open_database",
    "open_existing_database",
    "reserve_image",
    "run_transaction",
    "stamp_file",
]

_PERMANENT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP})
"""Errors that stay until somebody acts. A missing folder is not one: it may be mounted later."""


def open_database(
    url: str,
    *,
    pool_size: int = 8,
    checkout_timeout: float = 2.0,
    connect_timeout: int = 3,
    read_timeout: int = 10,
) -> Database:
    """Open and initialise a database; `close` releases it.

    Args:
        url: `sqlite:///path` or `mysql://user:password@host:port/name`.
        pool_size: Maximum number of connections: one for each thread, and each call on an event
            loop, that uses the database.
        checkout_timeout: Seconds to wait for a free connection.
        connect_timeout: Seconds to wait for a server; MySQL only.
        read_timeout: Seconds that a server may be silent; MySQL only.

    Returns:
        The database, with its tables migrated.

    Raises:
        ConfigurationError: The URL can't be used, or the server refuses it.
        DBConnectionError: The database can't be reached.
        SchemaError: Its tables are newer than this code.
    """
    database = Database(
        url,
        pool_size=pool_size,
        checkout_timeout=checkout_timeout,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
    )
    try:
        initialise_database(database)
    except BaseException:
        database.close()
        raise
    return database


def initialise_database(database: Database) -> None:
    """Reach the database, check it and migrate it; safe in several processes at once.

    Args:
        database: An open one; its statements fail until this has succeeded.

    Raises:
        ConfigurationError: The database refuses the user or a statement, or can't be used.
        DBConnectionError: The database can't be reached.
        DatabaseBusyError: It has no free connection, or another process migrates too long.
        SchemaError: Its tables are newer than this code.
    """
    try:
        _reach(database)
        _upgrade(database)
    except ServerRefusalError as error:
        raise explain_refusal(error, database.url) from error
    database.initialised = True


def _reach(database: Database) -> None:
    if database.sqlite:
        _make_private_file(Path(database.url.database or ""))
    row = database.fetch_at_start("SELECT 1" if database.sqlite else SELECT_SERVER)
    if row is not None and not database.sqlite:
        check_server(row)


def _upgrade(database: Database) -> None:
    if find_revision(database) != SCHEMA_REVISION:
        # importing Alembic takes longer than everything else here
        from pixy_data.database.upgrade import migrate  # noqa: PLC0415

        migrate(database.url)


def _make_private_file(path: Path) -> None:
    # it contains password hashes; SQLite gives its journals the same permissions
    try:
        _check_sqlite_file(path)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # opening and closing a file in use would release this process's locks on it (fcntl(2))
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        if error.errno in _PERMANENT:
            raise ConfigurationError(
                f"The database {path.absolute()} can't be used: {error.strerror}"
            ) from error
        failure = DBConnectionError()
        failure.reason = f"{error.filename}: {error.strerror}"
        raise failure from error


def _check_sqlite_file(path: Path) -> None:
    """Return if the path is free, or a file that this process can use.

    Raises:
        ConfigurationError: It is a folder or device, or this process may not use it.
        OSError: The path can't be examined now.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise ConfigurationError(
            f"The database {path.absolute()} is not a file: set PIXY_DATABASE_URL to one, or leave "
            "it out for one in PIXY_DATA_DIR"
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigurationError(
            f"The database {path.absolute()} can't be read and written by this process"
        )


def open_existing_database(url: str) -> Database:
    """Open a database without creating or migrating anything.

    Args:
        url: As for `open_database`.

    Raises:
        ConfigurationError: There is no such database, or the URL can't be used.
        SchemaError: It has no tables of PixyProxy, or newer ones than this code's.
        DBConnectionError: The database can't be reached.
    """
    database = Database(url, pool_size=2)
    try:
        if database.sqlite and not Path(database.url.database or "").is_file():
            raise ConfigurationError(f"There is no database {database.url.database}")
        _reach(database)
        check_revision(find_revision(database))
    except BaseException:
        database.close()
        raise
    database.initialised = True
    return database


def check_revision(revision: str | None) -> None:
    """Return if this code can read tables of a revision.

    Args:
        revision: From `find_revision`.

    Raises:
        SchemaError: It can't.
    """
    if revision is None:
        raise SchemaError("The database has no tables of PixyProxy")
    # they are numbered, with leading zeros
    if revision > SCHEMA_REVISION:
        raise SchemaError("The database is of a newer version of PixyProxy: install that version")


def find_revision(database: Database) -> str | None:
    """Return the revision of a database's tables; None when it has none.

    Args:
        database: One that can be reached.
    """
    try:
        row = database.fetch_at_start(SELECT_REVISION)
    except DatabaseError:
        # a new database has no such table; any other error occurs again when it is migrated
        return None
    return None if row is None else str(row[0])
