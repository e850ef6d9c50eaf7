"""Database URLs, and the SQLAlchemy engine with the connection options of MySQL or SQLite."""

import errno
import sqlite3
import time
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy.exc
from sqlalchemy import URL, Engine, NullPool, create_engine, event, make_url

from pixy_core import ConfigurationError

LOCK_TIMEOUT = 2
"""Seconds that a statement waits for the lock of another transaction."""

_URL_OPTIONS = frozenset(
    {"ssl_mode", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher", "unix_socket"}
)
_SSL_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
_MYSQL_DATETIME = 12
"""MySQLdb.constants.FIELD_TYPE.DATETIME, also where the driver is not installed."""

_WAIT_FOR_WRITES = "SET SESSION wsrep_sync_wait = 1"
"""A node of a Galera cluster applies what other nodes have committed before it answers a query."""

_UNKNOWN_VARIABLE = 1193
"""MySQLdb.constants.ER.UNKNOWN_SYSTEM_VARIABLE."""

_EXPECTED = "expected sqlite:///path or mysql://user:password@host:port/name"


def parse_url(url: str) -> URL:
    """Return a database URL in SQLAlchemy's form, with its driver.

    Args:
        url: `sqlite:///path`, or `mysql://user:password@host:port/name` with optional parameters
            such as `?ssl_mode=REQUIRED`.

    Raises:
        ConfigurationError: The URL is invalid or has unknown options. The message does not
            contain the URL, which may hold a password.
    """
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # the message of the cause contains the URL
        raise ConfigurationError(f"The database URL can't be read: {_EXPECTED}") from None
    if parsed.drivername == "sqlite":
        if parsed.database in (None, "", ":memory:") or parsed.host or parsed.query:
            raise ConfigurationError("The database URL must name a file: sqlite:///path")
        return parsed
    if parsed.drivername not in ("mysql", "mysql+mysqldb"):
        raise ConfigurationError(f"The database URL names another kind of database: {_EXPECTED}")
    if not parsed.database or not parsed.host:
        raise ConfigurationError(f"The database URL lacks a host or a name: {_EXPECTED}")
    if "@" in parsed.host:
        # the end of the password would be in every message that names the host
        raise ConfigurationError(f"The database URL has an @ too many, write %40: {_EXPECTED}")
    if unknown := sorted(set(parsed.query) - _URL_OPTIONS):
        raise ConfigurationError(
            f"The database URL has options that are not known: {', '.join(unknown)}; "
            f"known are {', '.join(sorted(_URL_OPTIONS))}"
        )
    if repeated := sorted(name for name, value in parsed.query.items() if isinstance(value, tuple)):
        raise ConfigurationError(f"The database URL repeats {', '.join(repeated)}")
    if parsed.query.get("ssl_mode", "DISABLED") not in _SSL_MODES:
        raise ConfigurationError(f"The database URL's ssl_mode must be {' or '.join(_SSL_MODES)}")
    return parsed.set(drivername="mysql+mysqldb")


def describe_url(url: URL) -> str:
    """Return the database's name and address for the log, without user and password."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = f"[{url.host}]" if ":" in str(url.host) else url.host
    return f"{url.database} at {url.query.get('unix_socket') or f'{host}:{url.port or 3306}'}"


def build_engine(
    url: URL,
    *,
    connect_timeout: int,
    read_timeout: int,
    lock_timeout: int = LOCK_TIMEOUT,
) -> Engine:
    """Build an engine without a pool; its connections are in autocommit mode until BEGIN.

    Args:
        url: From `parse_url`.
        connect_timeout: Seconds; MySQL only.
        read_timeout: Seconds that a server may be silent while it works; MySQL only.
        lock_timeout: Seconds that a statement waits for the lock of another transaction.

    Raises:
        ConfigurationError: The driver for MySQL is not installed.
    """
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite:
        connect_args = _sqlite_arguments(lock_timeout)
    else:
        connect_args = _mysql_arguments(connect_timeout, read_timeout, lock_timeout)
    try:
        engine = create_engine(
            url,
            poolclass=NullPool,
            pool_reset_on_return=None,
            connect_args=connect_args,
        )
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "MySQL needs a driver that is not installed: pip install pixy-web[mysql]"
        ) from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
    else:
        event.listen(engine, "do_connect", _connect_mysql)
        event.listen(engine, "connect", _MySQLPreparation(engine.dialect.loaded_dbapi))
    return engine


def _sqlite_arguments(lock_timeout: int) -> dict[str, Any]:
    # isolation_level None: the driver's own BEGIN comes too late and loses updates;
    # one thread at a time uses a connection, but not always the same thread
    return {"isolation_level": None, "timeout": lock_timeout, "check_same_thread": False}


def _mysql_arguments(connect_timeout: int, read_timeout: int, lock_timeout: int) -> dict[str, Any]:
    # below the read timeout, or a wait for a lock would look like a server that hangs
    lock_timeout = max(1, min(lock_timeout, read_timeout - 1))
    return {
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": connect_timeout,
        "read_timeout": read_timeout,
        "write_timeout": read_timeout,
        # without a strict mode MySQL truncates long values silently;
        # a metadata lock waits a year by default
        "init_command": "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
        "time_zone = '+00:00', "
        f"innodb_lock_wait_timeout = {lock_timeout}, lock_wait_timeout = {lock_timeout}",
    }


def _connect_mysql(
    _dialect: object, _record: object, _arguments: list[Any], options: dict[str, Any]
) -> Any:
    # imported here, because the driver is an optional dependency
    from pixy_data.database.mysql_driver import GreenletConnection  # noqa: PLC0415

    return GreenletConnection(**options)


class _MySQLPreparation:
    """What a new connection needs in addition to its `init_command`."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._versions_without_galera: set[str] = set()

    def __call__(self, connection: Any, _record: object) -> None:
        # times stay text, as in SQLite: the driver's own converter takes longer than the query
        connection.converter[_MYSQL_DATETIME] = str
        version = connection.get_server_info()
        if version not in self._versions_without_galera:
            try:
                connection.cursor().execute(_WAIT_FOR_WRITES)
            except self._driver.Error as error:
                if error.args[0] != _UNKNOWN_VARIABLE:
                    raise
                self._versions_without_galera.add(version)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(connection: Any) -> None:
    """Use a write-ahead log. SQLite does not wait itself for another process that does so now."""
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


class DatabaseLocation(NamedTuple):
    """Where a database is.

    Attributes:
        name: The absolute path of a SQLite file, or the database's name and server.
        is_missing: True for a SQLite file that does not exist yet.
    """

    name: str
    is_missing: bool


def locate_database(url: str) -> DatabaseLocation:
    """Return where a database is, without connecting.

    Raises:
        ConfigurationError: The URL is invalid.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return DatabaseLocation(describe_url(parsed), is_missing=False)
    path = Path(parsed.database or "").absolute()
    try:
        path.stat()
    except OSError as error:
        return DatabaseLocation(str(path), is_missing=error.errno == errno.ENOENT)
    return DatabaseLocation(str(path), is_missing=False)
