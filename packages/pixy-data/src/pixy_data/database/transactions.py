"""The unit of work: which statements of a thread stand or fall together.

It knows nothing of SQL but BEGIN, COMMIT and ROLLBACK.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from sqlalchemy.engine.interfaces import DBAPICursor

from pixy_core import ConstraintViolationError, DBConnectionError, PixyProxyException
from pixy_data.database.connections import take_nothing
from pixy_data.database.errors import TransactionConflictError
from pixy_data.database.loop_calls import WouldBlockError, find_call
from pixy_data.database.pool import Connection

if TYPE_CHECKING:
    from pixy_data.database.database import Database

T = TypeVar("T")

_RETRIES = 3
_FIRST_DELAY = 0.02
"""Seconds, at most, before a transaction runs again; doubled each time."""


class ThreadBound(threading.local):
    """The unit of work that the current thread is in."""

    context: DatabaseContext | None = None


class DatabaseContext:
    """A unit of work, bound to the thread that enters it.

    Leaving it without `commit_transaction` rolls back. After a failure other than a violated
    constraint its transaction accepts nothing but a rollback: the server has ended it then, or
    may have, and what followed would be committed by itself.

    Args:
        database: Where the statements of this thread run meanwhile.
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
            RuntimeError: One is open already.
        """
        if self.begun:
            raise RuntimeError("a transaction is open already")
        if not self._database.initialised:
            raise self._database.not_ready()
        self._connection = self._database.pool.begin()
        self.begun = True

    def commit_transaction(self) -> None:
        """Make everything since `begin_transaction` durable.

        Raises:
            DBConnectionError: The connection broke, so the outcome is unknown: look again.
            PixyProxyException: A statement failed before, or the commit did: nothing is kept.
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
        """Undo everything since `begin_transaction`; without a transaction do nothing.

        Raises:
            Nothing: a server that is gone has rolled back by itself.
        """
        connection = self._connection
        if connection is not None and connection.is_valid:
            try:
                self._database.pool.run(connection, "ROLLBACK", {}, take_nothing)
            except PixyProxyException:
                self._database.pool.discard(connection)
        self._end()

    def run(
        self, sql: str, parameters: Mapping[str, object], take: Callable[[DBAPICursor], T]
    ) -> T:
        """Run a statement in the open transaction.

        Args:
            sql: A constant with `:name` parameters.
            parameters: A value for each name.
            take: Reads what is wanted from the cursor.

        Returns:
            What `take` returned.

        Raises:
            PixyProxyException: It failed, or one before it did.
        """
        if self._failure is not None:
            again = type(self._failure)()
            again.reason = self._failure.reason
            raise again from self._failure
        connection = self._connection
        if connection is None or not connection.is_valid:
            raise DBConnectionError
        try:
            return self._database.pool.run(connection, sql, parameters, take)
        except PixyProxyException as error:
            if not isinstance(error, ConstraintViolationError) or not connection.is_valid:
                self._failure = error
            raise

    def _abandon(self) -> None:
        if self._connection is not None:
            self._database.pool.discard(self._connection)
        self._end()

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        self._failure = None
        self.begun = False
        if connection is not None:
            self._database.pool.release(connection)


def run_transaction(database: Database, work: Callable[[], T]) -> T:
    """Run work in one transaction of this thread; run it again when another got in its way.

    Args:
        database: Where.
        work: Repository calls; it may run up to four times, so it does nothing else.

    Returns:
        What `work` returned, committed.

    Raises:
        DatabaseBusyError: Other transactions were in the way each time.
        DBConnectionError: The connection broke; when it broke at the commit, the outcome is
            unknown and the caller looks again.
        PixyProxyException: What `work` raised; nothing is kept.
    """
    for attempt in range(_RETRIES):
        try:
            return _run_once(database, work)
        except TransactionConflictError:
            time.sleep(random.uniform(0, _FIRST_DELAY * 2**attempt))  # noqa: S311
    return _run_once(database, work)


def join_transaction(database: Database, work: Callable[[], T]) -> T:
    """Run work in this thread's open transaction, or in one of its own if there is none.

    Args:
        database: Where.
        work: Repository calls, as for `run_transaction`.

    Returns:
        What `work` returned.

    Raises:
        PixyProxyException: As `run_transaction`, or what `work` raised.
    """
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
