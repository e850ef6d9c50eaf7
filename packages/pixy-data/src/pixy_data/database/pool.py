"""The pool: driver connections kept open between statements, and which of them are still good.

What runs on a connection stands in `connections`. SQLAlchemy opens connections; its own pool
costs a third of what a query does, most of it for callers who forget to give a connection back.
"""

import threading
from collections import deque
from time import monotonic
from typing import Any

from sqlalchemy import Engine

from pixy_core import DatabaseBusyError, DBConnectionError
from pixy_data.database.loop_calls import WouldBlockError, find_call


class Connection:
    """A connection that one caller has at a time.

    Attributes:
        driver: The driver's own connection (PEP 249).
        opened: When it was opened, by `time.monotonic`.
        is_valid: Whether it is the caller's and open; false once given back or discarded.

    Args:
        engine: Opens it.
    """

    __slots__ = ("_proxy", "driver", "is_valid", "opened")

    def __init__(self, engine: Engine) -> None:
        self._proxy = engine.raw_connection()
        self.driver: Any = self._proxy.driver_connection
        self.opened = monotonic()
        self.is_valid = True

    def close(self) -> None:
        """Close the driver's connection, whatever its state is.

        Raises:
            Nothing.
        """
        self._proxy.close()


class Pool:
    """At most `size` connections; the one that was used last is used next.

    Threads and the event loop each do so for themselves, as long as there are enough: whoever
    changes sides has to be registered with the loop anew.

    Args:
        engine: Opens connections, and doesn't pool them.
        size: Connections; no more are ever open.
        timeout: Seconds to wait for a free one.
    """

    def __init__(self, engine: Engine, *, size: int, timeout: float) -> None:
        self._engine = engine
        self._timeout = timeout
        self._places = size
        self._idle: deque[Connection] = deque()
        self._stale_before = 0.0
        self._closed = False
        self._returned = threading.Condition(threading.Lock())

    def take(self, *, fresh: bool = False) -> Connection:
        """Return a connection for the caller alone.

        Args:
            fresh: Whether to open one, instead of an idle one if there is no other place; not on
                the event loop.

        Raises:
            DatabaseBusyError: None became free in time.
            DBConnectionError: The pool is closed.
            WouldBlockError: On the event loop, one would have to be opened or waited for.
            Exception: Whatever opening one raises.
        """
        if find_call() is not None:
            return self._take_open()
        connection = self._take_place(fresh=fresh)
        if connection is not None and (fresh or self._is_stale(connection)):
            connection.close()
            connection = None
        if connection is None:
            connection = self._open_in_place()
        connection.is_valid = True
        return connection

    def give_back(self, connection: Connection) -> None:
        """Take a connection back; one that was discarded is back already.

        Args:
            connection: From `take`.

        Raises:
            Nothing.
        """
        if not connection.is_valid:
            return
        connection.is_valid = False
        with self._returned:
            is_kept = not self._closed
            if is_kept:
                if find_call() is None:
                    self._idle.appendleft(connection)
                else:
                    self._idle.append(connection)
                self._returned.notify()
        if not is_kept:
            connection.close()

    def discard(self, connection: Connection) -> None:
        """Close a connection, and leave its place to a new one.

        Args:
            connection: From `take`; one that was discarded already is fine.

        Raises:
            Nothing.
        """
        if connection.is_valid:
            connection.is_valid = False
            connection.close()
            self._leave_place()

    def suspect(self, connection: Connection) -> bool:
        """Replace every connection that is open now before it is used again.

        Args:
            connection: The one whose server has gone away, or takes no writes any more: so do
                all others, but for those that were opened after it was known.

        Returns:
            Whether it wasn't known.

        Raises:
            Nothing.
        """
        is_news = not self._is_stale(connection)
        if is_news:
            self._stale_before = monotonic()
        return is_news

    def replace_older(self, connection: Connection) -> None:
        """Replace every connection that was opened before this one before it is used again.

        Args:
            connection: From `take`.

        Raises:
            Nothing.
        """
        self._stale_before = max(self._stale_before, connection.opened)

    def close(self) -> None:
        """Close every idle connection, each other one when it is given back, and open no more.

        Raises:
            Nothing.
        """
        with self._returned:
            self._closed = True
            idle, self._idle = self._idle, deque()
            self._returned.notify_all()
        for connection in idle:
            connection.close()

    def _take_open(self) -> Connection:
        with self._returned:
            for _ in range(len(self._idle)):
                if not self._is_stale(self._idle[-1]):
                    connection = self._idle.pop()
                    connection.is_valid = True
                    return connection
                # to the threads' end: they can replace it
                self._idle.rotate(1)
        raise WouldBlockError

    def _take_place(self, *, fresh: bool) -> Connection | None:
        """Return an idle connection, or None with the right to open one."""
        with self._returned:
            if not (self._idle or self._places or self._closed) and not self._wait():
                raise DatabaseBusyError("No database connection became free in time")
            if self._closed:
                raise DBConnectionError
            if self._idle and not (fresh and self._places):
                return self._idle.popleft()
            self._places -= 1
            return None

    def _is_stale(self, connection: Connection) -> bool:
        return connection.opened < self._stale_before

    def _wait(self) -> bool:
        return self._returned.wait_for(
            lambda: bool(self._idle or self._places or self._closed), self._timeout
        )

    def _open_in_place(self) -> Connection:
        try:
            return Connection(self._engine)
        except BaseException:
            self._leave_place()
            raise

    def _leave_place(self) -> None:
        with self._returned:
            self._places += 1
            self._returned.notify()
