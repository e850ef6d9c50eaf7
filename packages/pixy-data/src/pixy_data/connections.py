"""Pooled driver connections: taking one, running one statement on it, giving it back.

How many there are is kept in `pool`; whether statements belong together is decided in
`database`, not here.
"""

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import URL, NullPool, text
from sqlalchemy.engine.interfaces import DBAPICursor

from pixy_core import DBConnectionError, PixyProxyException
from pixy_data.engine import build_engine
from pixy_data.errors import ConnectionLostError, translate_error
from pixy_data.pool import Connection, Pool

T = TypeVar("T")

_SILENCE = 0.9
"""Share of the read timeout after which a lost connection counts as a server that hangs."""


class ConnectionPool:
    """At most `pool_size` driver connections, kept open between statements.

    Args:
        url: From `engine.parse_url`.
        pool_size: Connections; no more are ever open.
        checkout_timeout: Seconds to wait for a free one.
        connect_timeout: Seconds; MySQL only.
        read_timeout: Seconds that a server may be silent; MySQL only.
    """

    def __init__(
        self,
        url: URL,
        *,
        pool_size: int,
        checkout_timeout: float,
        connect_timeout: int,
        read_timeout: int,
    ) -> None:
        self._engine = build_engine(
            url,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            poolclass=NullPool,
        )
        self._pool = Pool(self._engine, size=pool_size, timeout=checkout_timeout)
        self._driver: Any = self._engine.dialect.loaded_dbapi
        self._silence = read_timeout * _SILENCE
        self._statements: dict[str, tuple[str, tuple[str, ...]]] = {}
        sqlite = url.get_backend_name() == "sqlite"
        # a plain BEGIN takes SQLite's write lock at the first write, too late to wait for it
        self._begin = "BEGIN IMMEDIATE" if sqlite else "BEGIN"

    def acquire(self) -> Connection:
        """Take a connection from the pool, or open one.

        Returns:
            A connection for the caller alone, until `release` or `discard`.

        Raises:
            DBConnectionError: None could be opened, or the pool is closed.
            DatabaseBusyError: None became free in time, or the server takes no more.
        """
        try:
            return self._pool.take()
        except PixyProxyException:
            raise
        except Exception as error:
            raise translate_error(error, self._driver) from error

    def begin(self) -> Connection:
        """Take a connection and open a transaction on it; BEGIN also finds a dead connection.

        Returns:
            A connection for the caller alone.

        Raises:
            DBConnectionError: None could be opened.
            DatabaseBusyError: None became free in time, or SQLite's write lock didn't.
        """
        try:
            return self._begin_once()
        except ConnectionLostError:
            return self._begin_once()

    def _begin_once(self) -> Connection:
        connection = self.acquire()
        try:
            self.run(connection, self._begin, {}, take_nothing)
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection: Connection) -> None:
        """Give a connection back; one that was discarded is back already.

        Args:
            connection: From `acquire` or `begin`, with no transaction open.

        Raises:
            Nothing.
        """
        self._pool.give_back(connection)

    def discard(self, connection: Connection) -> None:
        """Close a connection whose state is unknown, and leave its place to a new one.

        Args:
            connection: From `acquire` or `begin`.

        Raises:
            Nothing.
        """
        self._pool.discard(connection)

    def run(
        self,
        connection: Connection,
        sql: str,
        parameters: Mapping[str, object],
        take: Callable[[DBAPICursor], T],
    ) -> T:
        """Run one statement.

        Args:
            connection: From `acquire` or `begin`.
            sql: A constant with `:name` parameters.
            parameters: A value for each name.
            take: Reads what is wanted from the cursor.

        Returns:
            What `take` returned.

        Raises:
            ConnectionLostError: The connection is dead and discarded.
            DBConnectionError: The server was silent too long; the connection is discarded.
            PixyProxyException: The statement failed, see `errors`.
        """
        driver_sql, names = self._statements.get(sql) or self._translate(sql)
        started = monotonic()
        try:
            cursor = connection.driver.cursor()
            cursor.execute(driver_sql, [parameters[name] for name in names])
            result = take(cursor)
            cursor.close()
        except Exception as error:
            raise self._examine(connection, error, monotonic() - started) from error
        except BaseException:
            self.discard(connection)
            raise
        return result

    def _examine(
        self, connection: Connection, error: Exception, elapsed: float
    ) -> PixyProxyException:
        translated = translate_error(error, self._driver)
        if isinstance(translated, ConnectionLostError):
            self._pool.suspect(connection)
            if elapsed >= self._silence:
                translated = DBConnectionError()
        # an answer from the server leaves the connection sound; anything else may not
        if isinstance(translated, DBConnectionError) or not isinstance(error, self._driver.Error):
            self.discard(connection)
        return translated

    def close(self) -> None:
        """Close every connection and open no more.

        Raises:
            Nothing.
        """
        self._pool.close()

    def _translate(self, sql: str) -> tuple[str, tuple[str, ...]]:
        compiled = text(sql).compile(dialect=self._engine.dialect)
        names = tuple(compiled.positiontup or ())
        self._statements[sql] = (str(compiled), names)
        return self._statements[sql]


def take_nothing(cursor: DBAPICursor) -> None:
    """Read nothing from a cursor.

    Args:
        cursor: Of a statement that has no rows.

    Raises:
        Nothing.
    """
