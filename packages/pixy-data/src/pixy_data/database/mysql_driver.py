"""mysqlclient's connection, as threads and the event loop use it.

On the loop, in a call of `loop_calls`, it lets others run until an answer comes. In both places an
answer has a deadline, and a connection on which anything comes unasked is given up.
"""

import select
from secrets import randbits
from time import monotonic
from typing import Any

from MySQLdb import OperationalError
from MySQLdb.connections import Connection
from MySQLdb.constants import CR
from typing_extensions import override

from pixy_data.database.loop_calls import Answers, LoopCall, WouldBlockError, find_call
from pixy_data.database.watchdog import Watchdog

_LOOP_LIMIT = 0.6
"""Seconds that the rest of an answer may stop the loop, once its beginning is there."""

_watchdog = Watchdog()


class WaitingConnection(Connection):  # type: ignore[misc]  # mysqlclient has no types
    """A connection whose queries leave the event loop that they are sent from.

    Nothing may be there to be read before a query is sent, something must be before its answer is
    read, and nothing after it: else answers and queries have come out of step.

    Args:
        arguments: As for `MySQLdb.connect`, `read_timeout` among them.
    """

    def __init__(self, *, read_timeout: int, **arguments: Any) -> None:
        self._read_timeout = read_timeout
        self._answers: Answers | None = None
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
            query: A bytearray, as mysqlclient's own `executemany` gives, is copied.

        Raises:
            OperationalError: The connection is lost or out of step, or the server silent too long.
            WouldBlockError: The answer doesn't come to its end, and stops the event loop.
            Exception: The server refuses the query.
        """
        call = find_call()
        if call is None:
            self._send(bytes(query))
        else:
            self._send_from_loop(call, bytes(query))
        _watchdog.watch(self._descriptor, self._deadline)
        try:
            self.read_query_result()
        except BaseException as error:
            self._end_watch(error)
            raise

    @override
    def store_result(self) -> Any:
        """Read the rest of an answer.

        Raises:
            OperationalError: As `query`.
            WouldBlockError: As `query`.
        """
        try:
            result = super().store_result()
        except BaseException as error:
            self._end_watch(error)
            raise
        _watchdog.release(self._descriptor)
        self._check_nothing_came()
        return result

    def _send(self, query: bytes) -> None:
        # the loop might see the answer to this, and take it for one to its next query
        self._look_away()
        self._check_nothing_came()
        self._deadline = monotonic() + self._read_timeout
        self.send_query(query)
        if not self._poll(self._read_timeout * 1000):
            raise OperationalError(CR.SERVER_LOST, "The server is silent")

    def _send_from_loop(self, call: LoopCall, query: bytes) -> None:
        answers = self._look(call)
        self.send_query(query)
        try:
            answers.wait(call)
        except TimeoutError as error:
            raise OperationalError(CR.SERVER_LOST, "The server is silent") from error
        if call.is_paused:
            # another answer has just stopped the loop, and this one may do the same
            raise WouldBlockError
        self._deadline = monotonic() + _LOOP_LIMIT

    def _end_watch(self, error: BaseException) -> None:
        if not _watchdog.release(self._descriptor):
            return
        call = find_call()
        if call is not None:
            call.pause()
            raise WouldBlockError from error
        raise OperationalError(CR.SERVER_LOST, "The server is silent") from error

    def _check_step(self) -> None:
        """Check that the next answer is the one to the next query.

        What the client library sent to connect is not checked, and it keeps what it has read
        ahead: an answer that came twice is invisible until it is taken for the next one.
        """
        number = randbits(31)
        self.query(b"SELECT %d" % number)
        result = self.store_result()
        if result is None or result.fetch_row() != ((number,),):
            raise OperationalError(CR.SERVER_LOST, "The server answered another question")

    def _check_nothing_came(self) -> None:
        if self._poll(0):
            raise OperationalError(CR.SERVER_LOST, "The server sent what nobody asked for")

    def _look(self, call: LoopCall) -> Answers:
        """Let the loop tell of the next answer, and of none before it."""
        if self._answers is None:
            self._check_nothing_came()
            self._answers = Answers(call, self.fileno(), self._read_timeout)
        elif not self._answers.is_open:
            # the loop has seen something come since the last answer was read
            raise OperationalError(CR.SERVER_LOST, "The server sent what nobody asked for")
        return self._answers

    def _look_away(self) -> None:
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.close()

    @override
    def close(self) -> None:
        """Close the connection."""
        self._look_away()
        # of an answer whose rest was not read; once closed, the number may be another connection's
        descriptor, self._descriptor = self._descriptor, -1
        _watchdog.release(descriptor)
        super().close()
