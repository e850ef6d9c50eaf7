"""Opens what an operator's commands work with: checks, copies, backups, archives.

Every function that opens a database raises ConfigurationError when its URL is wrong or its driver
is not installed, SchemaError when its tables are newer than this program and not for it, and
DBConnectionError when it is down.
"""

import re
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pixy_core import ConfigurationError
from pixy_data import (
    BackupFolder,
    Database,
    ImageFolders,
    locate_database,
    open_content,
    open_copy_target,
    open_database,
    open_existing_database,
)
from pixy_service.backups.backup import StoreBackup
from pixy_service.backups.restore import StoreRestore
from pixy_service.checking import StoreChecker
from pixy_service.copying import StoreCopy
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.recovery import Recovery
from pixy_service.moving.exporting import EVERYTHING, Selection, StoreExport
from pixy_service.moving.importing import ArchiveImport
from pixy_service.stores import ImageStores, make_folder, open_stores

_BUCKET_LIKE = re.compile("[a-z0-9]+://|(?:s3|gs|az):", re.IGNORECASE)
"""A URL, perhaps with a slash too few: a folder with such a name is written as `./s3:…`."""


@contextmanager
def open_checker(
    database_url: str,
    data_dir: Path,
    content: str | None = None,
    *,
    min_age: float,
    accept_store: bool = False,
    deep: bool = False,
) -> Iterator[StoreChecker]:
    """Open what compares rows and files, in a context manager for a command line.

    Args:
        database_url: As for `open_services`.
        data_dir: As for `open_services`, like the bucket.
        content: The bucket, if there is one.
        min_age: Seconds; younger files may belong to a running create, and are not touched.
        accept_store: Whether to mark folder and database as belonging together, whatever their
            marks.
        deep: Whether to read every object; files are always read.

    Raises:
        ConfigurationError: The folder or the SQLite file is missing.
        StorageUnavailableError: The folder can't be marked.
    """
    with _open_existing(database_url, data_dir, content) as stores:
        if accept_store:
            stores.content.accept()
        yield StoreChecker(stores, _build_recovery(stores), min_age=min_age, deep=deep)


@contextmanager
def open_copy(
    database_url: str,
    data_dir: Path,
    content: str | None,
    to: str,
    *,
    leave_damaged: bool = False,
    on_progress: Callable[[StoreCopy], None] = lambda _: None,
) -> Iterator[StoreCopy]:
    """Open what copies the images to another content store, in a context manager.

    Args:
        database_url: As for `open_services`.
        data_dir: As for `open_services`, like the bucket.
        content: The bucket, if there is one.
        to: The target: a bucket's URL, or a data folder, which need not exist.
        leave_damaged: Whether the copy is complete without the images that can't be read.
        on_progress: Called after each image.

    Raises:
        ConfigurationError: The source is missing, or the target can't be used or is the source.
    """
    url, folder = (to, data_dir) if _BUCKET_LIKE.match(to) else (None, Path(to))
    _require_other_place(data_dir, content, folder, url)
    with _open_existing(database_url, data_dir, content) as stores:
        target, marker = open_copy_target(stores.database, folder, url)
        if url is None:
            make_folder(folder / "images", "name")
        recovery = _build_recovery(stores)
        yield StoreCopy(
            stores, recovery, target, marker, leave_damaged=leave_damaged, on_progress=on_progress
        )


@contextmanager
def open_export(
    database_url: str,
    data_dir: Path,
    content: str | None,
    target: Path | BinaryIO,
    selection: Selection = EVERYTHING,
    *,
    on_progress: Callable[[StoreExport], None] = lambda _: None,
) -> Iterator[StoreExport]:
    """Open what writes images to an archive, in a context manager.

    Args:
        database_url: As for `open_services`.
        data_dir: As for `open_services`, like the bucket.
        content: The bucket, if there is one.
        target: The archive: a path where nothing is, or an open pipe.
        selection: What is exported.
        on_progress: Called after each image.

    Raises:
        ConfigurationError: The images are missing.
        InvalidInputError: The selection breaks a rule.
    """
    with _open_existing(database_url, data_dir, content) as stores:
        recovery = _build_recovery(stores)
        yield StoreExport(stores, recovery, selection, target, on_progress=on_progress)


@contextmanager
def open_import(
    database_url: str,
    data_dir: Path,
    content: str | None,
    source: Path | BinaryIO,
    *,
    names: Mapping[str, str] | None = None,
    on_progress: Callable[[ArchiveImport], None] = lambda _: None,
) -> Iterator[ArchiveImport]:
    """Open what imports an archive, in a context manager; the image folder may be new.

    Args:
        database_url: As for `open_services`.
        data_dir: As for `open_services`, like the bucket.
        content: The bucket, if there is one.
        source: The archive: its path, or an open pipe.
        names: Names of existing users, by the names of users in the archive.
        on_progress: Called after each image.

    Raises:
        ConfigurationError: There is no database, or the image folder can't be created.
        InvalidInputError: A name breaks a rule.
    """
    location = locate_database(database_url)
    if location.is_missing:
        raise ConfigurationError(
            f"There is no database {location.name}: `pixy db upgrade` makes a new one"
        )
    database = open_database(database_url)
    try:
        stores = open_stores(database, data_dir, content)
        recovery = _build_recovery(stores)
        yield ArchiveImport(stores, recovery, source, names=names, on_progress=on_progress)
    finally:
        database.close()


@contextmanager
def _open_existing(database_url: str, data_dir: Path, content: str | None) -> Iterator[ImageStores]:
    """Open the stores of an installation that exists."""
    _require_installation(database_url, data_dir, content)
    database = open_database(database_url)
    try:
        yield ImageStores.over(database, open_content(database, data_dir, content))
    finally:
        database.close()


def _build_recovery(stores: ImageStores) -> Recovery:
    return Recovery(stores, Claims(stores), ImageAdopter(stores))


def _require_other_place(data_dir: Path, content: str | None, to: Path, url: str | None) -> None:
    """Refuse a copy to the place that is copied, also through links."""
    if url is not None:
        is_same = content is not None and _normalise(content) == _normalise(url)
    else:
        images = (data_dir / "images").resolve()
        is_same = content is None and (to / "images").resolve().is_relative_to(images)
    if is_same:
        raise ConfigurationError(f"{url or to} is where the images are: name another place")


def _normalise(url: str) -> str:
    """Return the URL of a bucket in the form in which equal places are equal."""
    scheme, _, path = url.partition("://")
    return "/".join([scheme.lower(), *filter(None, path.split("/"))])


@contextmanager
def open_backup(
    database_url: str, data_dir: Path, folder: Path, *, files_only: bool = False
) -> Iterator[StoreBackup]:
    """Open what makes a backup, in a context manager for a command line.

    Args:
        database_url: As for `open_services`.
        data_dir: As for `open_services`.
        folder: The folder of the backup.
        files_only: Whether the database is copied by its own tool; on MySQL it must be.

    Raises:
        ConfigurationError: The folder is missing, or `files_only` does not fit the database.
        SchemaError: The tables are missing.
    """
    _require_image_folder(data_dir)
    _require_other_folder(data_dir, folder)
    database = open_existing_database(database_url)
    try:
        if database.sqlite and files_only:
            raise ConfigurationError("--files-only is for MySQL: a SQLite file is copied, too")
        if not database.sqlite and not files_only:
            raise ConfigurationError(_explain_dump(database, folder))
        yield StoreBackup(database, _name_folders(data_dir), BackupFolder(folder))
    finally:
        database.close()


def _explain_dump(database: Database, folder: Path) -> str:
    url, target = database.url, shlex.quote(str(folder))
    return (
        "A MySQL database is copied by its own tool. Run these three, in this order:\n"
        f"  pixy backup --files-only {target}\n"
        f"  mariadb-dump --single-transaction --hex-blob --no-tablespaces --host={url.host} "
        f"--port={url.port or 3306} --user={url.username} {url.database} > {target}/database.sql\n"
        f"  pixy backup --files-only {target}\n"
        "MySQL's mysqldump takes the same options. The password belongs in ~/.my.cnf."
    )


@contextmanager
def open_restore(database_url: str, data_dir: Path, folder: Path) -> Iterator[StoreRestore]:
    """Open what restores a backup, in a context manager for a command line.

    Args:
        database_url: A SQLite file that does not exist, or a MySQL database into which the dump of
            the backup was loaded.
        data_dir: A folder that does not exist, or is empty.
        folder: The folder of the backup.
    """
    database = Database(database_url)
    try:
        yield StoreRestore(BackupFolder(folder), database, _name_folders(data_dir))
    finally:
        database.close()


def _name_folders(data_dir: Path) -> ImageFolders:
    data_dir = data_dir.absolute()
    return ImageFolders(data_dir / "images", data_dir / "journal")


def _require_other_folder(data_dir: Path, folder: Path) -> None:
    """Refuse a backup inside what it copies, also through links."""
    sources = [path.resolve() for path in (data_dir, *_name_folders(data_dir))]
    for target in (folder, BackupFolder(folder).images):
        if any(target.resolve().is_relative_to(source) for source in sources):
            raise ConfigurationError(f"{target} is in the data folder: it would be lost with it")


def _require_image_folder(data_dir: Path) -> Path:
    folder = data_dir / "images"
    try:
        # from Python 3.14 on `is_dir` is False for any error
        is_there = stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_there = False
    except OSError as error:
        raise ConfigurationError(
            f"The image folder {folder} can't be read: {error.strerror}"
        ) from error
    if not is_there:
        raise ConfigurationError(
            f"There is no image folder {folder}: set PIXY_DATA_DIR to the folder that it is in"
        )
    return folder


def _require_installation(database_url: str, data_dir: Path, content: str | None) -> None:
    images = content or _require_image_folder(data_dir)
    location = locate_database(database_url)
    if location.is_missing:
        raise ConfigurationError(
            f"There is no database {location.name}: set PIXY_DATABASE_URL to the one of {images}"
        )
