"""Whether the database server is silent, and who may ask it then."""

import threading

from pixy_core import DBConnectionError
from pixy_data.database.loop_calls import WouldBlockError, find_call


class Silence:
    """Known once the server didn't answer in time: then one thread at a time may ask it.

    Everyone else is told so at once, instead of waiting for the same timeout. Any answer ends it.

    Attributes:
        is_known: Whether the server is silent.
    """

    def __init__(self) -> None:
        self.is_known = False
        self._answered = 0.0
        self._prober: int | None = None
        self._lock = threading.Lock()

    def begin(self, asked: float) -> bool:
        """Note that a question had no answer in time, and return whether the server is silent.

        It is not when it has answered a later question: then only this one takes too long.

        Args:
            asked: When it was asked, by `time.monotonic`.
        """
        if self._answered > asked:
            return False
        self.is_known = True
        return True

    def end(self, asked: float) -> None:
        """Note that a question was answered.

        Args:
            asked: When it was asked, by `time.monotonic`.
        """
        self._answered = asked
        if self.is_known:
            self.is_known = False

    def enter(self) -> None:
        """Return to the one who may ask the silent server now; `leave` lets others.

        Raises:
            DBConnectionError: Another thread asks it.
            WouldBlockError: The caller is on the event loop, where nobody may wait for it.
        """
        with self._lock:
            if not self.is_known:
                return
            if self._prober not in (None, threading.get_ident()):
                raise DBConnectionError
            if find_call() is not None:
                raise WouldBlockError
            self._prober = threading.get_ident()

    def leave(self) -> None:
        """Let another thread ask, if it was this one who might."""
        if self._prober == threading.get_ident():
            self._prober = None
