"""Ends the wait for an answer that a server, or something on the way to it, doesn't finish.

The client library's own timeout begins again with each byte, so an answer that drips has none.
Shutting the socket down ends the library's wait in every state, with TLS as without.
"""

import os
import socket
import threading
from contextlib import suppress
from time import monotonic, sleep

_TICK = 0.2
"""Seconds between two looks; an answer may take so much longer than it is allowed to."""


class Watchdog:
    """One thread that shuts down connections whose answers take too long.

    It sleeps while nothing is read.
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
        """Watch a connection no more, and return whether it was shut down.

        Args:
            descriptor: As for `watch`.
        """
        if self._deadlines.pop(descriptor, None) is not None:
            return False
        # it may be shut down at this moment, and must not belong to another file before
        with self._lock:
            return self._deadlines.pop(descriptor, None) is None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                # a daemon: a process ends without telling it
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
                # it was released; and watched for another answer
                if current is not None:
                    self._deadlines[descriptor] = current
                return
            with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                connection.shutdown(socket.SHUT_RDWR)
