"""The database handle and its unit of work: which statements of a thread belong together.

SQL is in the modules of the nouns, pooled connections are in `pool`.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy.engine.interfaces import DBAPICursor

from pixy_core import (
    ConstraintViolationError,
    DatabaseBusyError,
    DBConnectionError,
    PixyProxyException,
    RecordNotFoundError,
)
from pixy_data.database.engine import describe_url, parse_url
from pixy_data.database.errors import ConnectionLostError, TransactionConflictError
from pixy_data.database.greenlets import (
    GreenletPool,
    QueryRunner,
    WouldBlockError,
    current_query,
)
from pixy_data.database.pool import Connection, StatementRunner, WrongAnswerError, take_nothing

T = TypeVar("T")

Row = tuple[Any, ...]
"""One row, its values in the order of the SELECT."""

_NOW = "UTC_TIMESTAMP(6)"
_NOW_SQLITE = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
_SELECT_VALUE = "SELECT value FROM secrets WHERE name = :name"

_RETRIES = 3
_FIRST_DELAY = 0.02
"""Maximum seconds before a transaction is retried; doubled each time."""


class Result(NamedTuple):
    """The number of rows that a write matched, and the id of an inserted row."""

    rowcount: int
    last_id: int | None


class _CurrentUnitOfWork(threading.local):
    context: "DatabaseContext | None" = None


class Database:
    """A database behind a pool of connections.

    Statements raise DBConnectionError until `initialise_database` has succeeded once, so a
    service can start while its database is down. Every method raises DBConnectionError when the
    database cannot be reached, DatabaseBusyError when it takes no more work, and the exceptions
    in `errors` when a statement fails.

    Attributes:
        now_sql: The SQL expression for the database's time, in UTC.

    Args:
        url: `sqlite:///path` or `mysql://user:password@host:port/name`.
        pool_size: Maximum connections: one for each thread and event-loop query that uses one.
        checkout_timeout: Seconds to wait for a free connection.
        connect_timeout: Seconds to wait for a server; MySQL only.
        read_timeout: Seconds that a server may be silent; MySQL only.

    Raises:
        ConfigurationError: The URL is invalid, or its driver is not installed.
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
        self.now_sql = _NOW_SQLITE if self.sqlite else _NOW
        self.initialised = False
        self.runner = StatementRunner(
            self.url,
            pool_size=pool_size,
            checkout_timeout=checkout_timeout,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
        )
        self.current = _CurrentUnitOfWork()
        self._secrets: dict[str, bytes] = {}

    def make_query_runner(
        self,
        run_in_thread: QueryRunner,
        *,
        concurrency: int,
        refusal: type[Exception] = DatabaseBusyError,
        check: Callable[[], None] | None = None,
    ) -> QueryRunner:
        """Return the coroutine that runs functions of one or two reads for an event loop.

        On MySQL the functions run on the event loop itself, on SQLite in a thread.

        Args:
            run_in_thread: Runs a function in a thread; also the fallback on MySQL.
            concurrency: Functions that run on the event loop at once.
            refusal: Raised for a call when too many wait, or when it has waited too long.
            check: Called before a call that had to wait runs; it may raise.
        """
        if self.sqlite:
            return run_in_thread
        return GreenletPool(concurrency, run_in_thread, refusal=refusal, check=check).run

    def fetch_one(
        self,
        sql: str,
        parameters: Mapping[str, object],
        is_answer: Callable[[Row], bool] | None = None,
    ) -> Row | None:
        """Return the first row of a query, or None.

        It is part of this thread's transaction if one is open, else one round trip of its own.

        Args:
            sql: A constant with `:name` parameters.
            parameters: A value for each name.
            is_answer: False for a row that cannot be the answer to this query. Its connection is
                closed, and the query runs on another one.
        """
        take = _take_one if is_answer is None else partial(_take_checked, is_answer)
        return self._read(sql, parameters, take)

    def fetch_all(self, sql: str, parameters: Mapping[str, object]) -> list[Row]:
        """Return all rows of a query; otherwise like `fetch_one`."""
        return self._read(sql, parameters, _take_all)

    def execute(self, sql: str, parameters: Mapping[str, object]) -> Result:
        """Run a statement that writes.

        It is part of this thread's transaction if one is open, else a transaction of its own.
        """
        context = self.current.context
        if context is None or not context.begun:
            return run_transaction(self, lambda: self.execute(sql, parameters))
        return context.run(sql, parameters, _take_result)

    def ping(self) -> None:
        """Raise unless the database answers."""
        self._read("SELECT 1", {}, _take_one)

    def find_writer(self) -> None:
        """Reconnect if connections lead to a server that takes no writes, such as a replica.

        A process that only reads would not notice a failover otherwise.

        Raises:
            DatabaseBusyError: No server takes writes at the moment.
        """
        if not self.sqlite:
            run_transaction(self, lambda: None)

    def now(self) -> datetime:
        """Return the database's time, which all processes share."""
        row = self._read(f"SELECT {self.now_sql}", {}, _take_one)
        if row is None:
            raise DBConnectionError
        return datetime.fromisoformat(f"{row[0]}Z")

    def secret(self, name: str) -> bytes:
        """Return 32 random bytes that all processes share.

        Args:
            name: `cursor` for signing cursors, `sign_in` for hiding the names of failed sign-ins.

        Raises:
            RecordNotFoundError: There is no secret of that name.
        """
        if name not in self._secrets:
            row = self.fetch_one(_SELECT_VALUE, {"name": name})
            if row is None:
                raise RecordNotFoundError
            self._secrets[name] = bytes.fromhex(row[0])
        return self._secrets[name]

    def fetch_at_start(self, sql: str) -> Row | None:
        """Return the first row of a query, also before the database is initialised."""
        return self._read_twice(sql, {}, _take_one)

    def not_ready(self) -> DBConnectionError:
        """Return the error for a database that has not been initialised yet."""
        error = DBConnectionError()
        error.reason = f"{describe_url(self.url)}: not ready since the start"
        return error

    def close(self) -> None:
        """Close every connection; statements fail from now on."""
        self.initialised = False
        self.runner.close()

    def _read(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        context = self.current.context
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
        connection = self.runner.acquire()
        try:
            return self.runner.run(connection, sql, parameters, take)
        finally:
            self.runner.release(connection)


class DatabaseContext:
    """A unit of work of the thread that enters it; rolled back unless `commit_transaction` ran.

    After a failure other than a violated constraint, its transaction accepts only a rollback:
    the server may have ended it, and would commit each further statement on its own.

    Args:
        database: Its statements in this thread belong to the unit of work.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._failure: PixyProxyException | None = None
        self.begun = False

    def __enter__(self) -> Self:
        if current_query() is not None:
            raise WouldBlockError
        if self._database.current.context is not None:
            raise RuntimeError("this thread is already in a unit of work")
        self._database.current.context = self
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.rollback_transaction()
        finally:
            self._database.current.context = None

    def begin_transaction(self) -> None:
        """Acquire a connection and open a transaction on it."""
        if self.begun:
            raise RuntimeError("a transaction is already open")
        if not self._database.initialised:
            raise self._database.not_ready()
        self._connection = self._database.runner.begin()
        self.begun = True

    def commit_transaction(self) -> None:
        """Make everything since `begin_transaction` durable.

        Raises:
            DBConnectionError: The connection broke, so the outcome is unknown: look again.
            PixyProxyException: This or an earlier statement failed: nothing is stored.
        """
        if not self.begun:
            raise RuntimeError("no transaction is open")
        try:
            self.run("COMMIT", {}, take_nothing)
        except BaseException:
            if self._connection is not None:
                self._database.runner.discard(self._connection)
            self._end()
            raise
        self._end()

    def rollback_transaction(self) -> None:
        """Undo everything since `begin_transaction`, if a transaction is open."""
        connection = self._connection
        if connection is not None and connection.is_valid:
            try:
                self._database.runner.run(connection, "ROLLBACK", {}, take_nothing)
            except PixyProxyException:
                # the server rolls back when a connection ends
                self._database.runner.discard(connection)
        self._end()

    def run(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        """Run a statement in the open transaction, and return what `take` reads from its cursor.

        Raises:
            PixyProxyException: This or an earlier statement failed.
        """
        if self._failure is not None:
            again = type(self._failure)()
            again.reason = self._failure.reason
            raise again from self._failure
        connection = self._connection
        if connection is None or not connection.is_valid:
            raise DBConnectionError
        try:
            return self._database.runner.run(connection, sql, parameters, take)
        except PixyProxyException as error:
            if not isinstance(error, ConstraintViolationError) or not connection.is_valid:
                self._failure = error
            raise

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        self._failure = None
        self.begun = False
        if connection is not None:
            self._database.runner.release(connection)


def run_transaction(database: Database, work: Callable[[], T]) -> T:
    """Run work in one transaction; retry it after a conflict with another transaction.

    Args:
        database: The database.
        work: Repository calls and nothing else, because it may run up to four times.

    Raises:
        DatabaseBusyError: Every attempt met a conflict.
        DBConnectionError: The connection broke. At the commit the outcome is unknown: look again.
        PixyProxyException: What `work` raised; nothing is stored.
    """
    for attempt in range(_RETRIES):
        try:
            return _run_once(database, work)
        except TransactionConflictError:
            time.sleep(random.uniform(0, _FIRST_DELAY * 2**attempt))  # noqa: S311
    return _run_once(database, work)


def join_transaction(database: Database, work: Callable[[], T]) -> T:
    """Run work in this thread's open transaction, or like `run_transaction` if there is none."""
    context = database.current.context
    if context is not None and context.begun:
        return work()
    return run_transaction(database, work)


def _run_once(database: Database, work: Callable[[], T]) -> T:
    with DatabaseContext(database) as context:
        context.begin_transaction()
        result = work()
        context.commit_transaction()
        return result


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
