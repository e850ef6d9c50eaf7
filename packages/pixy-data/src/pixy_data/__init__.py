"""The data layer: rows in MySQL or SQLite, image bytes in files or objects.

This module opens and initialises a database: connect, check, migrate.
"""

import errno
import logging
import os
from functools import cache
from pathlib import Path

from pixy_core import ConfigurationError, DatabaseError, DBConnectionError, SchemaError
from pixy_data.api_keys import ApiKeyRepository, KeyHolder
from pixy_data.archives.reading import ArchiveReader, ImageEntry, open_archive
from pixy_data.archives.records import ArchivedImage, ArchivedUser, ArchiveHead
from pixy_data.archives.writing import ArchiveWriter, open_new_archive
from pixy_data.backups.copies import FileCopier, ImageFolders, JournalCopier, copy_sqlite
from pixy_data.backups.folders import BackupFolder, BackupManifest, DatabaseCopy, RestoreTarget
from pixy_data.content.entries import AnswerNote, JournalEntry
from pixy_data.content.files.inventory import FileInventory
from pixy_data.content.files.journal import Journal
from pixy_data.content.files.mark import FolderMark
from pixy_data.content.files.store import FileStore
from pixy_data.content.interface import ContentStore, PartialImageStore, ThumbnailStore
from pixy_data.content.marker import StoreMarker
from pixy_data.content.opening import (
    BUCKET_FORMS,
    is_bucket_url,
    open_content,
    open_copy_target,
)
from pixy_data.content.parts import (
    ContentFile,
    FoundFile,
    Leftover,
    LocalFile,
    PartialImage,
    Reservation,
    StoredContent,
    ThumbnailName,
)
from pixy_data.content.spooled_files import SpooledFile
from pixy_data.creations import LEASE, CreationRepository, Lease
from pixy_data.database.database import Database, DatabaseContext, Result, Row, run_transaction
from pixy_data.database.engine import DatabaseLocation, locate_database
from pixy_data.database.errors import ServerRefusalError
from pixy_data.database.greenlets import QueryRunner
from pixy_data.database.schema import (
    OLDER_TABLES,
    SCHEMA_REVISION,
    SELECT_OLDEST,
    SELECT_REVISION,
    SELECT_SERVER,
    check_revision,
    check_server,
    explain_refusal,
)
from pixy_data.deletions import Deletion, DeletionRepository
from pixy_data.deliveries import RELEASED, DeliveryRepository, Undelivered
from pixy_data.images import FileRecord, ImageRepository
from pixy_data.keyset import PART_SIZE, Position
from pixy_data.provider_limits import ProviderLimitRepository
from pixy_data.sign_in_failures import SignInFailure, SignInFailureRepository
from pixy_data.users import UserRepository, UserRepositoryInterface, Viewer

__all__ = [
    "BUCKET_FORMS",
    "LEASE",
    "PART_SIZE",
    "RELEASED",
    "AnswerNote",
    "ApiKeyRepository",
    "ArchiveHead",
    "ArchiveReader",
    "ArchiveWriter",
    "ArchivedImage",
    "ArchivedUser",
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
    "DeliveryRepository",
    "FileCopier",
    "FileInventory",
    "FileRecord",
    "FileStore",
    "FolderMark",
    "FoundFile",
    "ImageEntry",
    "ImageFolders",
    "ImageRepository",
    "Journal",
    "JournalCopier",
    "JournalEntry",
    "KeyHolder",
    "Lease",
    "Leftover",
    "LocalFile",
    "PartialImage",
    "PartialImageStore",
    "Position",
    "ProviderLimitRepository",
    "QueryRunner",
    "Reservation",
    "RestoreTarget",
    "Result",
    "Row",
    "SignInFailure",
    "SignInFailureRepository",
    "SpooledFile",
    "StoreMarker",
    "StoredContent",
    "ThumbnailName",
    "ThumbnailStore",
    "Undelivered",
    "UserRepository",
    "UserRepositoryInterface",
    "Viewer",
    "check_revision",
    "copy_sqlite",
    "find_revision",
    "initialise_database",
    "is_bucket_url",
    "locate_database",
    "open_archive",
    "open_content",
    "open_copy_target",
    "open_database",
    "open_existing_database",
    "open_new_archive",
    "run_transaction",
]

_logger = logging.getLogger(__name__)

_PERMANENT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP})
"""Errors that stay until somebody acts. A missing folder is not one: it may be mounted later."""


def open_database(
    url: str,
    *,
    pool_size: int = 8,
    checkout_timeout: float = 2.0,
    connect_timeout: int = 3,
    read_timeout: int = 10,
    upgrade: bool = True,
) -> Database:
    """Open and initialise a database; `close` releases it.

    Args:
        url: `sqlite:///path` or `mysql://user:password@host:port/name`.
        pool_size: Maximum number of connections: one for each thread, and each call on an event
            loop, that uses the database.
        checkout_timeout: Seconds to wait for a free connection.
        connect_timeout: Seconds to wait for a server; MySQL only.
        read_timeout: Seconds that a server may be silent; MySQL only.
        upgrade: As for `initialise_database`.

    Returns:
        The database, with its tables migrated.

    Raises:
        ConfigurationError: The URL can't be used, or the server refuses it.
        DBConnectionError: The database can't be reached.
        SchemaError: As for `initialise_database`.
    """
    database = Database(
        url,
        pool_size=pool_size,
        checkout_timeout=checkout_timeout,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
    )
    try:
        initialise_database(database, upgrade=upgrade)
    except BaseException:
        database.close()
        raise
    return database


def initialise_database(database: Database, *, upgrade: bool = True) -> None:
    """Reach the database, check it and migrate it; safe in several processes at once.

    Newer tables are used as they are, if they say that this code can.

    Args:
        database: An open one; its statements fail until this has succeeded.
        upgrade: Whether to create missing tables and to migrate older ones.

    Raises:
        ConfigurationError: The database refuses the user or a statement, or can't be used.
        DBConnectionError: The database can't be reached.
        DatabaseBusyError: It has no free connection, or another process migrates too long.
        SchemaError: Its tables are newer than this code and not for it, or older ones may not be
            migrated.
    """
    try:
        _reach(database, create=upgrade)
        _upgrade(database, upgrade=upgrade)
    except ServerRefusalError as error:
        raise explain_refusal(error, database.url) from error
    database.initialised = True


def _reach(database: Database, *, create: bool) -> None:
    if database.sqlite:
        path = Path(database.url.database or "")
        if create:
            _make_private_file(path)
        elif not path.exists():
            raise SchemaError(OLDER_TABLES)
    row = database.fetch_at_start("SELECT 1" if database.sqlite else SELECT_SERVER)
    if row is not None and not database.sqlite:
        check_server(row)


def _upgrade(database: Database, *, upgrade: bool) -> None:
    revision = find_revision(database)
    if revision is None or revision < SCHEMA_REVISION:
        if not upgrade:
            raise SchemaError(OLDER_TABLES)
        # importing Alembic takes longer than everything else here
        from pixy_data.database.upgrade import migrate  # noqa: PLC0415

        migrate(database.url)
        revision = find_revision(database)
    _check_tables(database, revision)


def _check_tables(database: Database, revision: str | None) -> None:
    if revision is None or revision <= SCHEMA_REVISION:
        check_revision(revision)
    else:
        check_revision(revision, _find(database, SELECT_OLDEST))
        _log_newer(revision)


@cache
def _log_newer(revision: str) -> None:
    """Log newer tables, once in each process."""
    _logger.info(
        "the tables are of a newer version (revision %s, this version's is %s), which this "
        "version may use; it changes none of them",
        revision,
        SCHEMA_REVISION,
    )


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
        SchemaError: It has no tables of PixyProxy, or newer ones that are not for this code.
        DBConnectionError: The database can't be reached.
    """
    database = Database(url, pool_size=2)
    try:
        if database.sqlite and not Path(database.url.database or "").is_file():
            raise ConfigurationError(f"There is no database {database.url.database}")
        _reach(database, create=False)
        _check_tables(database, find_revision(database))
    except BaseException:
        database.close()
        raise
    database.initialised = True
    return database


def find_revision(database: Database) -> str | None:
    """Return the revision of a database's tables; None when it has none."""
    return _find(database, SELECT_REVISION)


def _find(database: Database, select: str) -> str | None:
    try:
        row = database.fetch_at_start(select)
    except DatabaseError:
        # a new database has no such table; any other error occurs again when it is migrated
        return None
    return None if row is None or row[0] is None else str(row[0])
