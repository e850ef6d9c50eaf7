"""The database handle: it runs statements, alone or in a unit of work.

Repositories have the SQL, `connections` the driver's connections.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy.engine.interfaces import DBAPICursor

from pixy_core import (
    ConstraintViolationError,
    DBConnectionError,
    PixyProxyException,
    RecordNotFoundError,
)
from pixy_data.database.connections import Connections, WrongAnswerError
from pixy_data.database.engine import describe_url, parse_url
from pixy_data.database.errors import ConnectionLostError, TransactionConflictError
from pixy_data.database.loop_calls import Queries, WouldBlockError, find_call
from pixy_data.database.pool import Connection

T = TypeVar("T")

Row = tuple[Any, ...]
"""One row, its values in the order of the SELECT."""

_RETRIES = 3
_FIRST_DELAY = 0.02
"""Maximum seconds before a transaction runs again; doubled each time."""

_SELECT_TIME = "SELECT UTC_TIMESTAMP(6)"
_SELECT_TIME_SQLITE = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"
_SELECT_VALUE = "SELECT value FROM secrets WHERE name = :name"


class Result(NamedTuple):
    """The number of rows that a write matched, and the id of an inserted row."""

    rowcount: int
    last_id: int | None


class Database:
    """A database, reached through a pool of connections.

    Statements are constants with `:name` parameters. In a unit of work of the current thread they
    belong to it; otherwise a read is one round trip, and a write is a transaction of its own. They
    fail with DBConnectionError until `initialise_database` has succeeded, so a service can start
    while its database is down.

    Args:
        url: `sqlite:///path` or `mysql://user:password@host:port/name`.
        pool_size: Maximum number of connections: one for each thread and loop call that uses one.
        checkout_timeout: Seconds to wait for a free connection.
        connect_timeout: Seconds to wait for a server; MySQL only.
        read_timeout: Seconds that a server may be silent; MySQL only.

    Raises:
        ConfigurationError: The URL can't be used, or its driver is not installed.
        PixyProxyException: From every method: the statement failed, see `errors`.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        checkout_timeout: float = 2.0,
        connect_timeout: int = 3,
        read_timeout: int = 10,
    ) -> None:
        self.url = parse_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.initialised = False
        self.connections = Connections(
            self.url,
            pool_size=pool_size,
            checkout_timeout=checkout_timeout,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )
        self.bound = ThreadBound()
        self._secrets: dict[str, bytes] = {}

    def open_queries(
        self, size: int, run_in_thread: Callable[..., Awaitable[Any]], **options: Any
    ) -> Queries:
        """Return what runs functions that read a row or two, for callers on an event loop.

        They run on the event loop if the database is a server, and in a thread if it is SQLite,
        whose queries block.

        Args:
            size: Maximum number of functions at once.
            run_in_thread: Runs a function in a thread.
            options: As for `Queries`.
        """
        return Queries(size, run_in_thread, is_blocking=self.sqlite, **options)

    def fetch_one(
        self,
        sql: str,
        parameters: Mapping[str, object],
        is_answer: Callable[[Row], bool] | None = None,
    ) -> Row | None:
        """Return the first row of a query, or None.

        Args:
            sql: The statement.
            parameters: A value for each name.
            is_answer: Tells whether a row can be the answer. If not, the connection is out of
                step: it is closed, and the query runs on another one.
        """
        take = _take_one if is_answer is None else partial(_take_checked, is_answer)
        return self._read(sql, parameters, take)

    def fetch_all(self, sql: str, parameters: Mapping[str, object]) -> list[Row]:
        """Return all rows of a query."""
        return self._read(sql, parameters, _take_all)

    def execute(self, sql: str, parameters: Mapping[str, object]) -> Result:
        """Run a statement that writes."""
        context = self.bound.context
        if context is None or not context.begun:
            return run_transaction(self, lambda: self.execute(sql, parameters))
        return context.run(sql, parameters, _take_result)

    def ping(self) -> None:
        """Ask the server for an answer."""
        self._read("SELECT 1", {}, _take_one)

    def find_writer(self) -> None:
        """Make sure that connections lead to the server that accepts writes, not to a replica.

        Without this, a process that only reads would not notice a failover.
        """
        if not self.sqlite:
            run_transaction(self, lambda: None)

    def now(self) -> datetime:
        """Return the time by the database's clock, which all processes share."""
        row = self._read(_SELECT_TIME_SQLITE if self.sqlite else _SELECT_TIME, {}, _take_one)
        if row is None:
            raise DBConnectionError
        return datetime.fromisoformat(f"{row[0]}Z")

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes that all processes on this database share.

        Args:
            name: `cursor` signs cursors, `sign_in` hides who failed to sign in.
        """
        if name not in self._secrets:
            row = self.fetch_one(_SELECT_VALUE, {"name": name})
            if row is None:
                raise RecordNotFoundError
            self._secrets[name] = bytes.fromhex(row[0])
        return self._secrets[name]

    def fetch_at_start(self, sql: str) -> Row | None:
        """Return the first row of a query before the database is initialised, or None."""
        return self._read_twice(sql, {}, _take_one)

    def not_ready(self) -> DBConnectionError:
        """Return the error for a database that is not initialised yet."""
        error = DBConnectionError()
        error.reason = f"{describe_url(self.url)}: not ready since the start"
        return error

    def close(self) -> None:
        """Close all connections; statements fail from now on."""
        self.initialised = False
        self.connections.close()

    def _read(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        context = self.bound.context
        if context is not None and context.begun:
            return context.run(sql, parameters, take)
        if not self.initialised:
            raise self.not_ready()
        return self._read_twice(sql, parameters, take)

    def _read_twice(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        try:
            return self._read_once(sql, parameters, take)
        except ConnectionLostError:
            return self._read_once(sql, parameters, take)

    def _read_once(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        connection = self.connections.acquire()
        try:
            return self.connections.run(connection, sql, parameters, take)
        finally:
            self.connections.release(connection)


def _take_one(cursor: DBAPICursor) -> Row | None:
    return cursor.fetchone()


def _take_checked(is_answer: Callable[[Row], bool], cursor: DBAPICursor) -> Row | None:
    row = cursor.fetchone()
    try:
        is_right = row is None or is_answer(row)
    except (AttributeError, IndexError, TypeError) as error:  # a row of another query
        raise WrongAnswerError from error
    if not is_right:
        raise WrongAnswerError
    return row


def _take_all(cursor: DBAPICursor) -> list[Row]:
    return list(cursor.fetchall())


def _take_result(cursor: DBAPICursor) -> Result:
    return Result(cursor.rowcount, cursor.lastrowid)


def take_nothing(cursor: DBAPICursor) -> None:
    """Read nothing from the cursor of a statement without rows."""


class ThreadBound(threading.local):
    """The unit of work of the current thread."""

    context: DatabaseContext | None = None


class DatabaseContext:
    """A unit of work, bound to the thread that enters it.

    Leaving it without `commit_transaction` rolls back. After a failure other than a violated
    constraint only a rollback is possible: the server may have ended the transaction, and later
    statements would be committed on their own.

    Args:
        database: Its statements in this thread belong to the unit of work.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._failure: PixyProxyException | None = None
        self.begun = False

    def __enter__(self) -> Self:
        if find_call() is not None:
            raise WouldBlockError
        if self._database.bound.context is not None:
            raise RuntimeError("this thread is in a unit of work already")
        self._database.bound.context = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.rollback_transaction()
        finally:
            self._database.bound.context = None

    def begin_transaction(self) -> None:
        """Take a connection and open a transaction on it.

        Raises:
            DBConnectionError: The database can't be reached.
            DatabaseBusyError: No connection, or SQLite's write lock, became free in time, or the
                server is read-only.
            RuntimeError: A transaction is open already.
        """
        if self.begun:
            raise RuntimeError("a transaction is open already")
        if not self._database.initialised:
            raise self._database.not_ready()
        self._connection = self._database.connections.begin()
        self.begun = True

    def commit_transaction(self) -> None:
        """Make everything since `begin_transaction` durable.

        Raises:
            DBConnectionError: The connection broke, so the outcome is unknown: look again.
            PixyProxyException: An earlier statement or the commit failed; nothing is kept.
            RuntimeError: No transaction is open.
        """
        if not self.begun:
            raise RuntimeError("no transaction is open")
        try:
            self.run("COMMIT", {}, take_nothing)
        except BaseException:
            self._abandon()
            raise
        self._end()

    def rollback_transaction(self) -> None:
        """Undo everything since `begin_transaction`; do nothing without a transaction."""
        connection = self._connection
        if connection is not None and connection.is_valid:
            try:
                self._database.connections.run(connection, "ROLLBACK", {}, take_nothing)
            except PixyProxyException:
                self._database.connections.discard(connection)
        self._end()

    def run(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        """Run a statement in the open transaction, and return what `take` reads from its cursor.

        Raises:
            PixyProxyException: It failed, or an earlier one did.
        """
        if self._failure is not None:
            again = type(self._failure)()
            again.reason = self._failure.reason
            raise again from self._failure
        connection = self._connection
        if connection is None or not connection.is_valid:
            raise DBConnectionError
        try:
            return self._database.connections.run(connection, sql, parameters, take)
        except PixyProxyException as error:
            if not isinstance(error, ConstraintViolationError) or not connection.is_valid:
                self._failure = error
            raise

    def _abandon(self) -> None:
        if self._connection is not None:
            self._database.connections.discard(self._connection)
        self._end()

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        self._failure = None
        self.begun = False
        if connection is not None:
            self._database.connections.release(connection)


def run_transaction(database: Database, work: Callable[[], T]) -> T:
    """Run work in one transaction of this thread, and again after a conflict with another one.

    Args:
        database: Where.
        work: Repository calls only; it may run up to four times.

    Raises:
        DatabaseBusyError: Each time there was a conflict.
        DBConnectionError: The connection broke; if at the commit, the outcome is unknown, and the
            caller looks again.
        PixyProxyException: What `work` raised; nothing is kept.
    """
    for attempt in range(_RETRIES):
        try:
            return _run_once(database, work)
        except TransactionConflictError:
            time.sleep(random.uniform(0, _FIRST_DELAY * 2**attempt))  # noqa: S311
    return _run_once(database, work)


def join_transaction(database: Database, work: Callable[[], T]) -> T:
    """Run work in this thread's open transaction, or in one of its own; see `run_transaction`."""
    context = database.bound.context
    if context is not None and context.begun:
        return work()
    return run_transaction(database, work)


def _run_once(database: Database, work: Callable[[], T]) -> T:
    with DatabaseContext(database) as context:
        context.begin_transaction()
        result = work()
        context.commit_transaction()
        return result
