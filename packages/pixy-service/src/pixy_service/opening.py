"""Opens what an application works with, and users and keys for a command line.

Every function that opens a database raises ConfigurationError when its URL is wrong or its driver
is not installed, SchemaError when its tables are newer and incompatible with this version, and
DBConnectionError when it is down; but `prepare_stores` only logs that the database is down, and
`open_services` can wait for it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixy_core import DatabaseBusyError, DBConnectionError
from pixy_data import (
    ApiKeyRepository,
    Database,
    SignInFailureRepository,
    UserRepository,
    open_database,
)
from pixy_service.accounts.keys import KeyService
from pixy_service.accounts.sign_in_limit import DEFAULT_RULE, SignInLimit, SignInRule
from pixy_service.accounts.users import UserService
from pixy_service.creation.creator import DEFAULT_TIMEOUT
from pixy_service.creation.observer import NO_OBSERVER, GenerationObserver
from pixy_service.generators.interface import ImageGenerator
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.services import Services
from pixy_service.stores import open_stores
from pixy_service.validation import DEFAULT_LIMITS, Limits

logger = logging.getLogger(__name__)

_FURTHER = 2
"""Connections for the recovery thread and the lease renewal thread."""


def open_services(
    *,
    database_url: str,
    data_dir: Path,
    content: str | None = None,
    generator: ImageGenerator,
    generation_concurrency: int = 16,
    generation_timeout: float = DEFAULT_TIMEOUT,
    provider_places: int | None = None,
    threads: int = 8,
    sign_in_rule: SignInRule = DEFAULT_RULE,
    limits: Limits = DEFAULT_LIMITS,
    wait_for_database: bool = False,
    upgrade: bool = True,
    observer: GenerationObserver = NO_OBSERVER,
) -> Services:
    """Open the database and the image folder, and build the services.

    Args:
        database_url: `sqlite:///path` or `mysql://user:password@host:port/name`.
        data_dir: The data folder: `images` has the files, `journal` the images without a row, and
            `thumbnails` smaller pictures.
        content: Bucket that replaces these folders: `s3://bucket/prefix`, `gs://…` or `az://…`. It
            needs `pixy-service[s3]`. Credentials come from the provider's standard environment
            variables.
        generator: Makes the images; the services close it.
        generation_concurrency: Images that may be made at once.
        generation_timeout: Deadline in seconds from the start of a generation. Failed attempts to
            store the image are repeated until then.
        provider_places: Images that all processes of the database may make at once; None: no limit.
        threads: Number of application threads that call the services; sizes the connection pool.
        sign_in_rule: The limits of wrong passwords.
        limits: Maximum sizes of caller input.
        wait_for_database: Whether to open while the database is down, and to try again every
            second. Until then, calls that need it raise DBConnectionError.
        upgrade: Whether to create missing tables and to upgrade older ones.
        observer: Follows how images are made.

    Raises:
        ConfigurationError: The image folder can't be created, or the bucket's URL can't be used.
        DBConnectionError: The database is down, and `wait_for_database` is false.
        SchemaError: The tables are missing or older, and `upgrade` is false.
    """
    database = Database(database_url, pool_size=threads + generation_concurrency + _FURTHER)
    stores = open_stores(database, data_dir, content)
    services = Services(
        stores,
        Thumbnails(stores.content),
        generator,
        generation_concurrency=generation_concurrency,
        generation_timeout=generation_timeout,
        provider_places=provider_places,
        sign_in_limit=_build_limit(database, sign_in_rule),
        limits=limits,
        observer=observer,
    )
    return _initialise(services, wait_for_database, upgrade)


def _initialise(services: Services, wait_for_database: bool, upgrade: bool) -> Services:
    try:
        services.initialise(wait_for_database=wait_for_database, upgrade=upgrade)
    except BaseException:
        services.close()
        raise
    return services


def _build_limit(database: Database, rule: SignInRule) -> SignInLimit:
    return SignInLimit(SignInFailureRepository(database), lambda: database.secret("sign_in"), rule)


def upgrade_database(database_url: str) -> None:
    """Create the tables, or migrate them to this version."""
    open_database(database_url).close()


def prepare_stores(
    database_url: str, data_dir: Path, content: str | None = None, *, upgrade: bool = True
) -> None:
    """Create the image folder, and the tables if the database is up.

    Args:
        database_url: As for `open_services`.
        data_dir: As for `open_services`.
        content: As for `open_services`.
        upgrade: As for `open_services`.

    Raises:
        ConfigurationError: The image folder can't be created, or the bucket's URL can't be used.
        SchemaError: The tables are missing or older, and `upgrade` is false.
    """
    open_stores(Database(database_url), data_dir, content)
    try:
        open_database(database_url, upgrade=upgrade).close()
    except (DBConnectionError, DatabaseBusyError):
        logger.info("the database does not answer; the service will wait for it")


@contextmanager
def open_users(database_url: str, limits: Limits = DEFAULT_LIMITS) -> Iterator[UserService]:
    """Open only the users of a database, in a context manager for a command line.

    `limits` are those of new names and passwords.
    """
    database = open_database(database_url)
    try:
        yield UserService(UserRepository(database), limits)
    finally:
        database.close()


@contextmanager
def open_keys(database_url: str) -> Iterator[KeyService]:
    """Open only the API keys of a database, in a context manager for a command line.

    Args:
        database_url: As for `open_services`.

    Raises:
        ConfigurationError: The URL is wrong, or its driver is not installed.
        SchemaError: The tables are newer than this program.
        DBConnectionError: The database is down.
    """
    database = open_database(database_url)
    try:
        yield KeyService(ApiKeyRepository(database), UserRepository(database))
    finally:
        database.close()
