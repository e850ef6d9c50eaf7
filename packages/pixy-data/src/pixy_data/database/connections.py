"""Pooled driver connections: taking one, running one statement on it, giving it back.

How many there are is kept in `pool`; whether statements belong together is decided in
`database`, not here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import URL, NullPool, text
from sqlalchemy.engine.interfaces import DBAPICursor

from pixy_core import DBConnectionError, PixyProxyException
from pixy_data.database.database_file import DatabaseFile
from pixy_data.database.engine import build_engine, describe_url
from pixy_data.database.errors import ConnectionLostError, ReadOnlyServerError, translate_error
from pixy_data.database.pool import Connection, Pool
from pixy_data.database.silence import Silence

T = TypeVar("T")

_SILENT = 0.9
"""Share of a timeout after which a lost connection counts as a server that hangs."""


class WrongAnswerError(Exception):
    """The answer belongs to another question: the connection is out of step."""


class Connections:
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
        self._silence = Silence()
        self._silent_after = read_timeout * _SILENT
        self._unreachable_after = connect_timeout * _SILENT
        self._statements: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._where = describe_url(url)
        self._is_read_only = False
        sqlite = url.get_backend_name() == "sqlite"
        self._file = DatabaseFile(Path(url.database or "")) if sqlite else None
        # a plain BEGIN takes SQLite's write lock at the first write, too late to wait for it,
        # and is what a read-only server still accepts
        self._begin = "BEGIN IMMEDIATE" if sqlite else "START TRANSACTION READ WRITE"

    def acquire(self) -> Connection:
        """Take a connection from the pool, or open one.

        Returns:
            A connection for the caller alone, until `release` or `discard`.

        Raises:
            DBConnectionError: None could be opened, the pool is closed, or the file of an
                SQLite database is not the one that was opened.
            DatabaseBusyError: None became free in time, or the server takes no more.
        """
        return self._take(fresh=False)

    def _take(self, *, fresh: bool, look: bool = False) -> Connection:
        if self._file is not None:
            self._file.check(fresh=look)
        connection = self._take_from_pool(fresh=fresh)
        if self._file is not None:
            self._file.note_opened()
        return connection

    def _take_from_pool(self, *, fresh: bool) -> Connection:
        if self._silence.is_known:
            self._silence.enter()
        started = monotonic()
        try:
            return self._pool.take(fresh=fresh)
        except PixyProxyException:
            self._silence.leave()
            raise
        except Exception as error:
            translated = translate_error(error, self._driver, self._where)
            is_late = monotonic() - started >= self._unreachable_after
            if is_late and isinstance(translated, DBConnectionError):
                self._silence.begin(started)
                # without a second attempt, which would take as long
                translated = DBConnectionError()
                translated.reason = f"{self._where}: no answer in time"
            self._silence.leave()
            raise translated from error

    def begin(self) -> Connection:
        """Take a connection and open a transaction that may write on it.

        This also finds connections that are dead, or lead to a server that was made read-only by
        a failover. While the server is read-only, each transaction opens a connection, because
        its address may mean another server by now; reads keep theirs.

        Returns:
            A connection for the caller alone.

        Raises:
            DBConnectionError: None could be opened, or the file of an SQLite database is not
                the one that was opened, looked at now.
            DatabaseBusyError: None became free in time, or SQLite's write lock didn't, or the
                server is read-only.
        """
        if self._is_read_only:
            return self._begin_once()
        try:
            return self._begin_once()
        except (ConnectionLostError, ReadOnlyServerError):
            return self._begin_once()

    def _begin_once(self) -> Connection:
        connection = self._take(fresh=self._is_read_only, look=True)
        try:
            self.run(connection, self._begin, {}, lambda _: None)
        except BaseException:
            self.release(connection)
            raise
        if self._is_read_only:
            # older connections may lead to the server that was read-only
            self._is_read_only = False
            self._pool.replace_older(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Give a connection back; one that was discarded is back already.

        Args:
            connection: From `acquire` or `begin`, with no transaction open.
        """
        self._silence.leave()
        self._pool.give_back(connection)

    def discard(self, connection: Connection) -> None:
        """Close a connection whose state is unknown, and leave its place to a new one.

        Args:
            connection: From `acquire` or `begin`.
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
            take: Reads what is wanted from the cursor; raises WrongAnswerError for an answer to
                another question.

        Returns:
            What `take` returned.

        Raises:
            ConnectionLostError: The connection is dead or out of step, and discarded.
            DBConnectionError: The server was silent too long; the connection is discarded.
            ReadOnlyServerError: The server takes no writes; the connection is discarded.
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
            raise self._examine(connection, error, started) from error
        except BaseException:
            self.discard(connection)
            raise
        self._silence.end(started)
        return result

    def _examine(
        self, connection: Connection, error: Exception, started: float
    ) -> PixyProxyException:
        if isinstance(error, WrongAnswerError):
            translated: PixyProxyException = ConnectionLostError()
        else:
            translated = translate_error(error, self._driver, self._where)
        if isinstance(translated, ConnectionLostError):
            is_late = monotonic() - started >= self._silent_after
            if not is_late or self._silence.begin(started):
                self._pool.suspect(connection)
            if is_late:
                translated = DBConnectionError()
                translated.reason = f"{self._where}: no answer in time"
        elif isinstance(translated, ReadOnlyServerError) and not self._is_read_only:
            self._is_read_only = self._pool.suspect(connection)
        # an answer from the server leaves the connection sound; anything else may not
        is_sound = isinstance(error, self._driver.Error)
        if not is_sound or isinstance(translated, (DBConnectionError, ReadOnlyServerError)):
            self.discard(connection)
        return translated

    def close(self) -> None:
        """Close every connection and open no more."""
        self._pool.close()

    def _translate(self, sql: str) -> tuple[str, tuple[str, ...]]:
        compiled = text(sql).compile(dialect=self._engine.dialect)
        names = tuple(compiled.positiontup or ())
        self._statements[sql] = (str(compiled), names)
        return self._statements[sql]
