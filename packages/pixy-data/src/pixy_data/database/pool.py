"""Pooled driver connections: opening, reusing and replacing them, and running statements on them.

SQLAlchemy opens the connections. Its own pool costs a third of a query, and the event loop needs
one that never opens or waits for a connection.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import URL, Engine, text
from sqlalchemy.engine.interfaces import DBAPICursor

from pixy_core import DatabaseBusyError, DBConnectionError, PixyProxyException
from pixy_data.database.database_file import DatabaseFile
from pixy_data.database.engine import build_engine, describe_url
from pixy_data.database.errors import ConnectionLostError, ReadOnlyServerError, translate_error
from pixy_data.database.greenlets import WouldBlockError, current_query

T = TypeVar("T")

_NO_ANSWER = 0.9
"""Share of a timeout after which a lost connection counts as a server that does not answer."""


class WrongAnswerError(Exception):
    """The answer belongs to another query: the connection is out of step."""


class Connection:
    """A connection that one caller has at a time.

    Attributes:
        driver: The driver's own connection (PEP 249).
        is_valid: True while the caller holds it; false once released or discarded.
    """

    __slots__ = ("_proxy", "driver", "is_valid", "opened")

    def __init__(self, engine: Engine) -> None:
        self._proxy = engine.raw_connection()
        self.driver: Any = self._proxy.driver_connection
        self.opened = monotonic()
        self.is_valid = True

    def close(self) -> None:
        """Close the driver's connection, in any state."""
        self._proxy.close()


class ConnectionPool:
    """A LIFO pool of at most `size` connections; `timeout` is in seconds.

    Threads use one end of it and the event loop the other: a connection that a thread has used
    must be registered with the loop again, which costs as much as a query.
    """

    def __init__(self, engine: Engine, *, size: int, timeout: float) -> None:
        self._engine = engine
        self._timeout = timeout
        self._unopened = size
        # the end of the threads is on the left
        self._idle: deque[Connection] = deque()
        self._stale_before = 0.0
        self._closed = False
        self._returned = threading.Condition(threading.Lock())

    def acquire(self, *, fresh: bool = False) -> Connection:
        """Return a connection for the caller alone.

        Args:
            fresh: Open a new one, in place of an idle one if necessary. Not on the event loop.

        Raises:
            DatabaseBusyError: None became free in time.
            DBConnectionError: The pool is closed.
            WouldBlockError: On the event loop, one would have to be opened or waited for.
            Exception: Whatever opening one raises.
        """
        if current_query() is not None:
            return self._acquire_on_loop()
        connection = self._take_idle(fresh=fresh)
        if connection is not None and (fresh or self._is_stale(connection)):
            connection.close()
            connection = None
        if connection is None:
            try:
                connection = Connection(self._engine)
            except BaseException:
                self._add_unopened()
                raise
        connection.is_valid = True
        return connection

    def release(self, connection: Connection) -> None:
        """Take a connection back; does nothing after `discard`."""
        if not connection.is_valid:
            return
        connection.is_valid = False
        with self._returned:
            is_kept = not self._closed
            if is_kept:
                if current_query() is None:
                    self._idle.appendleft(connection)
                else:
                    self._idle.append(connection)
                self._returned.notify()
        if not is_kept:
            connection.close()

    def discard(self, connection: Connection) -> None:
        """Close a connection in an unknown state, so that a new one may be opened."""
        if connection.is_valid:
            connection.is_valid = False
            connection.close()
            self._add_unopened()

    def mark_stale(self, connection: Connection) -> bool:
        """Let every connection that is open now be replaced before it is used again.

        Return False if the cause, found on `connection`, was known when that was opened.
        """
        is_news = not self._is_stale(connection)
        if is_news:
            self._stale_before = monotonic()
        return is_news

    def mark_older_stale(self, connection: Connection) -> None:
        """Let every connection that is older than this one be replaced before it is used again."""
        self._stale_before = max(self._stale_before, connection.opened)

    def close(self) -> None:
        """Close idle connections now and the others on release; open no more."""
        with self._returned:
            self._closed = True
            idle, self._idle = self._idle, deque()
            self._returned.notify_all()
        for connection in idle:
            connection.close()

    def _acquire_on_loop(self) -> Connection:
        with self._returned:
            for _ in range(len(self._idle)):
                if not self._is_stale(self._idle[-1]):
                    connection = self._idle.pop()
                    connection.is_valid = True
                    return connection
                # threads can replace it
                self._idle.rotate(1)
        raise WouldBlockError

    def _take_idle(self, *, fresh: bool) -> Connection | None:
        """Return an idle connection, or None if the caller is to open one."""
        with self._returned:
            if not self._returned.wait_for(self._is_available, self._timeout):
                raise DatabaseBusyError("No database connection became free in time")
            if self._closed:
                raise DBConnectionError
            if self._idle and not (fresh and self._unopened):
                return self._idle.popleft()
            self._unopened -= 1
            return None

    def _is_available(self) -> bool:
        return bool(self._idle or self._unopened or self._closed)

    def _is_stale(self, connection: Connection) -> bool:
        return connection.opened < self._stale_before

    def _add_unopened(self) -> None:
        with self._returned:
            self._unopened += 1
            self._returned.notify()


class CircuitBreaker:
    """Open after a missing answer: one thread at a time probes the server, all others fail at once.

    Any answer closes it.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._answered = 0.0
        self._probing_thread: int | None = None
        self._lock = threading.Lock()

    def open(self, asked: float) -> bool:
        """Open, unless a query that was sent later than `asked` was answered; return whether.

        Then the server is not silent, and only this query is slow.
        """
        if self._answered > asked:
            return False
        self.is_open = True
        return True

    def close(self, asked: float) -> None:
        """Note that a query was answered."""
        self._answered = asked
        if self.is_open:
            self.is_open = False

    def enter(self) -> None:
        """Return if the caller may query the server, which ends with `leave`.

        Raises:
            DBConnectionError: Another thread is probing the server.
            WouldBlockError: The caller is on the event loop, which must not wait for an answer.
        """
        with self._lock:
            if not self.is_open:
                return
            if self._probing_thread not in (None, threading.get_ident()):
                raise DBConnectionError
            if current_query() is not None:
                raise WouldBlockError
            self._probing_thread = threading.get_ident()

    def leave(self) -> None:
        """Let another thread probe the server, if this one was."""
        if self._probing_thread == threading.get_ident():
            self._probing_thread = None


class StatementRunner:
    """Runs statements on pooled connections, and discards the connections that fail.

    The arguments are those of `Database`.
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
        self._engine = build_engine(url, connect_timeout=connect_timeout, read_timeout=read_timeout)
        self._pool = ConnectionPool(self._engine, size=pool_size, timeout=checkout_timeout)
        self._driver: Any = self._engine.dialect.loaded_dbapi
        self._breaker = CircuitBreaker()
        self._longest_read = read_timeout * _NO_ANSWER
        self._longest_connect = connect_timeout * _NO_ANSWER
        self._translated: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._where = describe_url(url)
        self._is_read_only = False
        sqlite = url.get_backend_name() == "sqlite"
        self._file = DatabaseFile(Path(url.database or "")) if sqlite else None
        # SQLite takes the write lock of a plain BEGIN at the first write, without waiting for it;
        # a read-only server accepts a plain START TRANSACTION
        self._begin = "BEGIN IMMEDIATE" if sqlite else "START TRANSACTION READ WRITE"

    def acquire(self, *, for_write: bool = False) -> Connection:
        """Return a connection for the caller alone, until `release` or `discard`.

        Raises:
            DBConnectionError: None could be opened, or SQLite's file was replaced.
            DatabaseBusyError: None became free in time, or the server accepts no more.
        """
        if self._file is not None:
            self._file.check(fresh=for_write)
        if self._breaker.is_open:
            self._breaker.enter()
        started = monotonic()
        try:
            connection = self._pool.acquire(fresh=for_write and self._is_read_only)
        except PixyProxyException:
            self._breaker.leave()
            raise
        except Exception as error:
            translated = translate_error(error, self._driver, self._where)
            is_late = monotonic() - started >= self._longest_connect
            if is_late and isinstance(translated, DBConnectionError):
                self._breaker.open(started)
                # not ConnectionLostError: a second attempt would take as long
                translated = self._no_answer()
            self._breaker.leave()
            raise translated from error
        if self._file is not None:
            self._file.note_opened()
        return connection

    def begin(self) -> Connection:
        """Acquire a connection and open a transaction that may write on it.

        Retried once if the connection was dead or leads to a server that became read-only. While
        the server is read-only, each transaction opens a connection, because the address may lead
        to another server by now; reads keep theirs.

        Raises:
            DatabaseBusyError: Like `acquire`, or SQLite's write lock did not become free in time,
                or the server is read-only.
        """
        if self._is_read_only:
            return self._begin_once()
        try:
            return self._begin_once()
        except (ConnectionLostError, ReadOnlyServerError):
            return self._begin_once()

    def release(self, connection: Connection) -> None:
        """Give a connection without an open transaction back; does nothing after `discard`."""
        self._breaker.leave()
        self._pool.release(connection)

    def discard(self, connection: Connection) -> None:
        """Close a connection in an unknown state."""
        self._pool.discard(connection)

    def run(
        self,
        connection: Connection,
        sql: str,
        parameters: Mapping[str, object],
        take: Callable[[DBAPICursor], T],
    ) -> T:
        """Run one statement, and return what `take` reads from its cursor.

        Args:
            connection: From `acquire` or `begin`; discarded if it is lost or out of step, or the
                server did not answer in time or takes no writes.
            sql: A constant with `:name` parameters.
            parameters: A value for each name.
            take: Raises WrongAnswerError for the answer to another query.
        """
        driver_sql, names = self._translated.get(sql) or self._translate(sql)
        started = monotonic()
        try:
            cursor = connection.driver.cursor()
            cursor.execute(driver_sql, [parameters[name] for name in names])
            result = take(cursor)
            cursor.close()
        except Exception as error:
            raise self._handle_failure(connection, error, started) from error
        except BaseException:
            self.discard(connection)
            raise
        self._breaker.close(started)
        return result

    def close(self) -> None:
        """Close every connection and open no more."""
        self._pool.close()

    def _begin_once(self) -> Connection:
        connection = self.acquire(for_write=True)
        try:
            self.run(connection, self._begin, {}, take_nothing)
        except BaseException:
            self.release(connection)
            raise
        if self._is_read_only:
            # older connections may lead to the server that was read-only
            self._is_read_only = False
            self._pool.mark_older_stale(connection)
        return connection

    def _handle_failure(
        self, connection: Connection, error: Exception, started: float
    ) -> PixyProxyException:
        if isinstance(error, WrongAnswerError):
            translated: PixyProxyException = ConnectionLostError()
        else:
            translated = translate_error(error, self._driver, self._where)
        if isinstance(translated, ConnectionLostError):
            is_late = monotonic() - started >= self._longest_read
            if not is_late or self._breaker.open(started):
                self._pool.mark_stale(connection)
            if is_late:
                translated = self._no_answer()
        elif isinstance(translated, ReadOnlyServerError) and not self._is_read_only:
            self._is_read_only = self._pool.mark_stale(connection)
        # only after an answer from the server is the state of the connection known
        is_known = isinstance(error, self._driver.Error)
        if not is_known or isinstance(translated, (DBConnectionError, ReadOnlyServerError)):
            self.discard(connection)
        return translated

    def _no_answer(self) -> DBConnectionError:
        error = DBConnectionError()
        error.reason = f"{self._where}: no answer in time"
        return error

    def _translate(self, sql: str) -> tuple[str, tuple[str, ...]]:
        compiled = text(sql).compile(dialect=self._engine.dialect)
        self._translated[sql] = (str(compiled), tuple(compiled.positiontup or ()))
        return self._translated[sql]


def take_nothing(_cursor: DBAPICursor) -> None:
    """Read nothing: for statements without rows."""
