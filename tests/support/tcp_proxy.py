"""A TCP proxy between a server and its database, with faults that tests switch on."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_BLOCK = 65536
# a MySQL result of one column, whose description ends within its first field
_NONSENSE = b"\x01\x00\x00\x01\x01" + b"\x01\x00\x00\x02\x09"

Send = Callable[[bytes], None]
Alter = Callable[[bytes, Send], None]
"""Sends a block of an answer to the client, changed."""


def send_twice(block: bytes, send: Send) -> None:
    """Send a block of an answer twice, in one packet."""
    send(block + block)


def send_half(block: bytes, send: Send) -> None:
    """Send only the first half of an answer."""
    send(block[: len(block) // 2])
    raise _SilentError


def drip(block: bytes, send: Send) -> None:
    """Send an answer byte by byte, so slowly that the client gives up."""
    for position in range(len(block)):
        send(block[position : position + 1])
        time.sleep(0.2)


def send_nothing(_block: bytes, _send: Send) -> None:
    """Send nothing more on this connection."""
    raise _SilentError


def _send_nonsense(_block: bytes, send: Send) -> None:
    send(_NONSENSE)


class _SilentError(Exception):
    """This connection must send nothing more."""


class TcpProxy:
    """Forwards bytes between its own port and another, with faults on demand.

    Attributes:
        swallowed: Set once an answer was discarded; see `swallow_answer_to`.
        accepted: Number of connections so far.

    Args:
        target: The port on the loopback address that connections go to.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._swallowed: bytes | None = None
        self._altered: bytes | None = None
        self._alter: Alter = send_nothing
        self._alterations = 0
        self._requests: list[bytes] = []
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.swallowed = threading.Event()
        self.accepted = 0

    @property
    def port(self) -> int:
        """The port to connect to."""
        port: int = self._listener.getsockname()[1]
        return port

    def swallow_answer_to(self, request: bytes) -> None:
        """Forward the next request that contains these bytes, and cut instead of answering.

        `swallowed` is set once the target has answered and the answer is discarded.
        """
        with self._lock:
            self._swallowed = request

    def redirect(self, target: int) -> None:
        """Forward new connections to another port; open connections are kept.

        Args:
            target: The port on the loopback address.
        """
        self._target = target

    def spoil_answer_to(self, request: bytes) -> None:
        """Forward the next request that contains these bytes, and send an invalid answer.

        Args:
            request: Part of a query. The answer is a MySQL packet that can't be read.
        """
        self.alter_answers(request, _send_nonsense, 1)

    def alter_answers(self, request: bytes, alter: Alter, count: int = 1_000_000) -> None:
        """Let a function send the answers to requests that contain these bytes.

        Args:
            request: The bytes.
            alter: Called for each block of the answer.
            count: Number of answers; 0 ends it.
        """
        with self._lock:
            self._altered, self._alter, self._alterations = request, alter, count

    def count_requests(self, content: bytes) -> int:
        """Return how many requests contained these bytes."""
        with self._lock:
            return sum(content in request for request in self._requests)

    def cut(self) -> None:
        """Close every connection; new ones are forwarded."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _close(*pair)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # only this wakes a thread that waits in accept
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            faults = _Faults()
            for pump in (self._pump_requests, self._pump_answers):
                threading.Thread(target=pump, args=(client, server, faults), daemon=True).start()

    def _pump_requests(
        self, client: socket.socket, server: socket.socket, faults: "_Faults"
    ) -> None:
        with suppress(OSError):
            while block := client.recv(_BLOCK):
                with self._lock:
                    if self._swallowed is not None and self._swallowed in block:
                        self._swallowed = None
                        faults.cutting.set()
                    self._requests.append(block)
                    faults.altering.clear()
                    if self._alterations and self._altered is not None and self._altered in block:
                        self._alterations -= 1
                        faults.altering.set()
                server.sendall(block)
        _close(client, server)

    def _pump_answers(
        self, client: socket.socket, server: socket.socket, faults: "_Faults"
    ) -> None:
        with suppress(OSError):
            while block := server.recv(_BLOCK):
                if faults.cutting.is_set():
                    self.swallowed.set()
                    break
                if not faults.altering.is_set():
                    client.sendall(block)
                    continue
                try:
                    self._alter(block, client.sendall)
                except _SilentError:
                    # until the client or a test closes the connection
                    return
        _close(client, server)


class _Faults:
    """The faults of one connection's next answer."""

    def __init__(self) -> None:
        self.cutting = threading.Event()
        self.altering = threading.Event()


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
