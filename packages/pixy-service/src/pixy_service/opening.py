"""Opens what an application or a command line works with."""

import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixy_core import ConfigurationError, DatabaseBusyError, DBConnectionError
from pixy_data import (
    BackupFolder,
    ContentStore,
    Database,
    FoundFiles,
    ImageFolders,
    Inventory,
    Journal,
    SignInFailureRepository,
    StoreMarker,
    ThumbnailStore,
    UserRepository,
    locate_database,
    open_database,
    open_existing_database,
)
from pixy_service.accounts.sign_in_limit import USUAL_RULE, SignInLimit, SignInRule
from pixy_service.accounts.users import UserService
from pixy_service.backups.backup import StoreBackup
from pixy_service.backups.restore import StoreRestore
from pixy_service.checking import StoreChecker
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import DEFAULT_TIMEOUT
from pixy_service.creation.recovery import Recovery
from pixy_service.generators.interface import ImageGenerator
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.services import Services
from pixy_service.stores import ImageStores
from pixy_service.validation import DEFAULT_LIMITS, Limits

logger = logging.getLogger(__name__)

_CHECKOUT_TIMEOUT = 2.0
_CONNECT_TIMEOUT = 3


def open_services(
    *,
    database_url: str,
    data_dir: Path,
    generator: ImageGenerator,
    generation_concurrency: int = 16,
    generation_timeout: float = DEFAULT_TIMEOUT,
    threads: int = 8,
    sign_in_rule: SignInRule = USUAL_RULE,
    limits: Limits = DEFAULT_LIMITS,
    wait_for_database: bool = False,
    database_read_timeout: int = 10,
) -> Services:
    """Open the database and the image folder, and build the services.

    Args:
        database_url: `sqlite:///path` or `mysql://user:password@host:port/name`.
        data_dir: The data folder: `images` has the files, `journal` the images without a row, and
            `thumbnails` smaller pictures.
        generator: Makes the images; the services close it.
        generation_concurrency: Images that may be made at once.
        generation_timeout: Seconds from the start of a generation; until then storing is tried
            again.
        threads: Number of the application's threads that call the services.
        sign_in_rule: The limits of wrong passwords.
        limits: Maximum lengths of caller input.
        wait_for_database: Whether to open while the database is down, and to try again every
            second. Until then, calls that need it raise DBConnectionError.
        database_read_timeout: Seconds that a statement may take.

    Raises:
        ConfigurationError: The URL is wrong, its driver is not installed, or the image folder can't
            be created.
        SchemaError: The tables are newer than this program.
        DBConnectionError: The database is down, and `wait_for_database` is false.
    """
    # two more for the recovery and the renewal of leases
    connections = threads + generation_concurrency + 2
    database = _open_database(database_url, connections, database_read_timeout)
    stores = _open_stores(database, data_dir)
    services = Services(
        stores,
        Thumbnails(stores.content, ThumbnailStore(data_dir / "thumbnails")),
        generator,
        generation_concurrency=generation_concurrency,
        generation_timeout=generation_timeout,
        sign_in_limit=_build_limit(database, sign_in_rule),
        limits=limits,
    )
    return _initialise(services, wait_for_database)


def _initialise(services: Services, wait_for_database: bool) -> Services:
    try:
        services.initialise(wait_for_database=wait_for_database)
    except BaseException:
        services.close()
        raise
    return services


def _build_limit(database: Database, rule: SignInRule) -> SignInLimit:
    return SignInLimit(SignInFailureRepository(database), lambda: database.secret("sign_in"), rule)


def _open_database(url: str, connections: int, read_timeout: int) -> Database:
    return Database(
        url,
        pool_size=connections,
        checkout_timeout=_CHECKOUT_TIMEOUT,
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=read_timeout,
    )


def _open_stores(database: Database, data_dir: Path) -> ImageStores:
    folder = _make_folder(data_dir / "images")
    content = ContentStore(folder, marker=StoreMarker(database, folder))
    return ImageStores.over(database, content, Journal(data_dir / "journal"))


def _make_folder(folder: Path) -> Path:
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o750, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The image folder {folder} can't be made: {error.strerror}; "
            "set PIXY_DATA_DIR to a folder that this process may write to"
        ) from error
    return folder


def upgrade_database(database_url: str) -> None:
    """Create the tables, or migrate them to this version.

    Raises:
        ConfigurationError: The URL is wrong, or its driver is not installed.
        SchemaError: The tables are newer than this program.
        DBConnectionError: The database is down.
    """
    open_database(database_url).close()


def prepare_stores(database_url: str, data_dir: Path) -> None:
    """Create the image folder, and the tables if the database is up.

    Args:
        database_url: As for `open_services`.
        data_dir: As for `open_services`.

    Raises:
        ConfigurationError: The URL is wrong, its driver is not installed, or the image folder can't
            be created.
        SchemaError: The tables are newer than this program.
    """
    _make_folder(data_dir / "images")
    try:
        upgrade_database(database_url)
    except (DBConnectionError, DatabaseBusyError):
        logger.info("the database does not answer; the service will wait for it")


@contextmanager
def open_users(database_url: str, limits: Limits = DEFAULT_LIMITS) -> Iterator[UserService]:
    """Open only the users of a database, in a context manager for a command line.

    Args:
        database_url: As for `open_services`.
        limits: Maximum lengths of new names and passwords.

    Raises:
        ConfigurationError: The URL is wrong, or its driver is not installed.
        SchemaError: The tables are newer than this program.
        DBConnectionError: The database is down.
    """
    database = open_database(database_url)
    try:
        yield UserService(UserRepository(database), limits)
    finally:
        database.close()


@contextmanager
def open_checker(
    database_url: str, data_dir: Path, *, min_age: float, accept_store: bool = False
) -> Iterator[StoreChecker]:
    """Open what compares rows and files, in a context manager for a command line.

    Args:
        database_url: As for `open_services`.
        data_dir: As for `open_services`.
        min_age: Seconds; younger files may belong to a running create, and are not touched.
        accept_store: Whether to mark folder and database as belonging together, whatever their
            marks.

    Raises:
        ConfigurationError: The folder or the SQLite file is missing, the URL is wrong, or its
            driver is not installed.
        SchemaError: The tables are newer than this program.
        StorageUnavailableError: The folder can't be marked.
        DBConnectionError: The database is down.
    """
    folder = _require_image_folder(data_dir)
    _require_database(database_url, folder)
    database = open_database(database_url)
    try:
        marker = StoreMarker(database, folder)
        if accept_store:
            marker.accept()
        content, journal = ContentStore(folder, marker=marker), Journal(data_dir / "journal")
        stores = ImageStores.over(database, content, journal)
        yield StoreChecker(
            Inventory(database, folder),
            FoundFiles(folder, data_dir / "journal"),
            stores,
            Recovery(stores, Claims(stores), ImageAdopter(stores)),
            data_dir=data_dir,
            min_age=min_age,
        )
    finally:
        database.close()


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
        ConfigurationError: The folder is missing, the URL is wrong, its driver is not installed, or
            `files_only` does not fit the database.
        SchemaError: The tables are missing, or newer than this program.
        DBConnectionError: The database is down.
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

    Raises:
        ConfigurationError: The URL is wrong, or its driver is not installed.
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
        is_there = folder.is_dir()
    except OSError as error:
        raise ConfigurationError(
            f"The image folder {folder} can't be read: {error.strerror}"
        ) from error
    if not is_there:
        raise ConfigurationError(
            f"There is no image folder {folder}: set PIXY_DATA_DIR to the folder that it is in"
        )
    return folder


def _require_database(database_url: str, folder: Path) -> None:
    location = locate_database(database_url)
    if location.is_missing:
        raise ConfigurationError(
            f"There is no database {location.name}: set PIXY_DATABASE_URL to the one of {folder}"
        )
