"""mysqlclient's connection, as the event loop can use it.

It is plain in a thread; in a call of `loop_calls` it waits for an answer beside the loop.
"""

from typing import Any

from MySQLdb import OperationalError
from MySQLdb.connections import Connection
from MySQLdb.constants import CR
from typing_extensions import override

from pixy_data.loop_calls import Answers, LoopCall, find_call


class WaitingConnection(Connection):  # type: ignore[misc]  # mysqlclient has no types
    """A connection whose queries leave the event loop that they are sent from.

    Args:
        arguments: As for `MySQLdb.connect`, `read_timeout` among them.
    """

    def __init__(self, *, read_timeout: int, **arguments: Any) -> None:
        self._read_timeout = read_timeout
        self._answers: Answers | None = None
        super().__init__(read_timeout=read_timeout, **arguments)

    @override
    def query(self, query: bytes) -> None:
        """Send a query and read the beginning of its answer.

        Raises:
            OperationalError: The connection is lost, or the server was silent too long.
            Exception: The server refuses the query.
        """
        call = find_call()
        if call is None:
            # the loop might see the answer to this, and take it for one to its next query
            self._look_away()
            super().query(query)
            return
        answers = self._look(call)
        self.send_query(query)
        try:
            answers.wait(call)
        except TimeoutError as error:
            raise OperationalError(CR.SERVER_LOST, "The server is silent") from error
        self.read_query_result()

    def _look(self, call: LoopCall) -> Answers:
        """Let the loop tell of the next answer, and of none before it."""
        if self._answers is None or not self._answers.is_open:
            self._answers = Answers(call, self.fileno(), self._read_timeout)
        return self._answers

    def _look_away(self) -> None:
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.close()

    @override
    def close(self) -> None:
        """Close the connection."""
        self._look_away()
        super().close()
