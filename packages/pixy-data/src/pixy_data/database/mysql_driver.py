"""mysqlclient's connection for threads and the event loop, with a deadline for each answer.

It overrides `query` and `store_result` of mysqlclient 2.2, and calls `send_query` and
`read_query_result`, which that does not document.
"""

import os
import select
import socket
import threading
from contextlib import suppress
from secrets import randbits
from time import monotonic, sleep
from typing import Any

from MySQLdb import OperationalError
from MySQLdb.connections import Connection
from MySQLdb.constants import CR
from typing_extensions import override

from pixy_data.database.greenlets import (
    QueryGreenlet,
    SocketReader,
    WouldBlockError,
    current_query,
)

_LOOP_LIMIT = 0.6
"""Seconds for which the event loop may wait for the rest of an answer that has begun."""

_TICK = 0.2
"""Seconds between two looks of the watchdog: how late it may be."""


class Watchdog:
    """One thread that shuts down connections whose answers miss their deadline.

    The client library's own timeout starts again with each byte. A shutdown of the socket ends
    its wait in every state, also with TLS. The thread sleeps while nothing is read.
    """

    def __init__(self) -> None:
        self._deadlines: dict[int, float] = {}
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, descriptor: int, deadline: float) -> None:
        """Shut a connection down at a time, unless it is released before.

        Args:
            descriptor: The connection's, which stays open until `release`.
            deadline: By `time.monotonic`.
        """
        self._deadlines[descriptor] = deadline
        if not self._awake.is_set():
            self._awake.set()
            if self._thread is None:
                self._start()

    def release(self, descriptor: int) -> bool:
        """Stop to watch a connection, and return whether it was shut down."""
        if self._deadlines.pop(descriptor, None) is not None:
            return False
        # it may be shut down right now, and until then its number must not be reused
        with self._lock:
            return self._deadlines.pop(descriptor, None) is None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="pixy-watchdog", daemon=True
                )
                self._thread.start()

    def _work(self) -> None:
        while True:
            self._awake.wait()
            self._awake.clear()
            sleep(_TICK)
            now = monotonic()
            for descriptor, deadline in list(self._deadlines.items()):
                if deadline <= now:
                    self._shut_down(descriptor, deadline)
            if self._deadlines:
                self._awake.set()

    def _shut_down(self, descriptor: int, deadline: float) -> None:
        with self._lock:
            current = self._deadlines.pop(descriptor, None)
            if current != deadline:
                # released meanwhile, and perhaps watched for another answer
                if current is not None:
                    self._deadlines[descriptor] = current
                return
            with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                connection.shutdown(socket.SHUT_RDWR)


_watchdog = Watchdog()


class GreenletConnection(Connection):  # type: ignore[misc]  # mysqlclient has no types
    """A connection whose queries leave the event loop while the server works.

    To keep answers and queries in step, nothing may be readable before a query is sent or after
    its answer, and the answer is only read once something is.

    Args:
        arguments: As for `MySQLdb.connect`, `read_timeout` among them.
    """

    def __init__(self, *, read_timeout: int, **arguments: Any) -> None:
        self._read_timeout = read_timeout
        self._reader: SocketReader | None = None
        self._deadline = 0.0
        super().__init__(read_timeout=read_timeout, **arguments)
        self._descriptor: int = self.fileno()
        readable = select.poll()
        readable.register(self._descriptor, select.POLLIN)
        self._poll = readable.poll
        self._check_step()

    @override
    def query(self, query: bytes | bytearray) -> None:
        """Send a query and read the beginning of its answer.

        Args:
            query: A bytearray, which mysqlclient's own `executemany` gives, is copied.

        Raises:
            OperationalError: The connection is lost or out of step, or the server silent too long.
            WouldBlockError: The rest of the answer is late, and blocks the event loop.
        """
        current = current_query()
        if current is None:
            self._send(bytes(query))
        else:
            self._send_from_loop(current, bytes(query))
        _watchdog.watch(self._descriptor, self._deadline)
        try:
            self.read_query_result()
        except BaseException as error:
            self._end_watch(error)
            raise

    @override
    def store_result(self) -> Any:
        """Read the rest of an answer; raises like `query`."""
        try:
            result = super().store_result()
        except BaseException as error:
            self._end_watch(error)
            raise
        _watchdog.release(self._descriptor)
        self._check_nothing_came()
        return result

    @override
    def close(self) -> None:
        """Close the connection."""
        self._stop_reader()
        # of an answer whose rest was not read; once closed, another connection may get the number
        descriptor, self._descriptor = self._descriptor, -1
        _watchdog.release(descriptor)
        super().close()

    def _send(self, query: bytes) -> None:
        # the loop might take the answer to this query for the answer to its next one
        self._stop_reader()
        self._check_nothing_came()
        self._deadline = monotonic() + self._read_timeout
        self.send_query(query)
        if not self._poll(self._read_timeout * 1000):
            raise OperationalError(CR.SERVER_LOST, "The server does not answer")

    def _send_from_loop(self, current: QueryGreenlet, query: bytes) -> None:
        reader = self._start_reader(current)
        self.send_query(query)
        try:
            reader.wait(current)
        except TimeoutError as error:
            raise OperationalError(CR.SERVER_LOST, "The server does not answer") from error
        if current.pool.is_paused:
            # another answer has just blocked the loop, and this one may do the same
            raise WouldBlockError
        self._deadline = monotonic() + _LOOP_LIMIT

    def _end_watch(self, error: BaseException) -> None:
        if not _watchdog.release(self._descriptor):
            return
        current = current_query()
        if current is not None:
            current.pool.pause(current.loop)
            raise WouldBlockError from error
        raise OperationalError(CR.SERVER_LOST, "The server does not answer") from error

    def _check_step(self) -> None:
        """Check that the next answer belongs to the next query.

        The client library does not check the answers while it connects, and reads ahead: an
        answer that came twice would be taken for that of the next query.
        """
        number = randbits(31)
        self.query(b"SELECT %d" % number)
        result = self.store_result()
        if result is None or result.fetch_row() != ((number,),):
            raise OperationalError(CR.SERVER_LOST, "The server answered another question")

    def _check_nothing_came(self) -> None:
        if self._poll(0):
            raise OperationalError(CR.SERVER_LOST, "The server sent an answer without a query")

    def _start_reader(self, current: QueryGreenlet) -> SocketReader:
        if self._reader is None:
            self._check_nothing_came()
            self._reader = SocketReader(current, self.fileno(), self._read_timeout)
        elif not self._reader.is_open:
            # something came after the last answer was read
            raise OperationalError(CR.SERVER_LOST, "The server sent an answer without a query")
        return self._reader

    def _stop_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
