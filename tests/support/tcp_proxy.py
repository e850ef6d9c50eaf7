"""A TCP proxy that a test tells to misbehave, to stand between a server and its database."""

import socket
import threading
from contextlib import suppress
from typing import Self

_BLOCK = 65536
# a result of one column, whose description is a byte long and ends within its first field
_NONSENSE = b"\x01\x00\x00\x01\x01" + b"\x01\x00\x00\x02\x09"


class TcpProxy:
    """Passes bytes on between its own port and another, until it is told otherwise.

    Args:
        target: The port on the loopback address that connections go to.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._swallowed: bytes | None = None
        self._spoiled: bytes | None = None
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.swallowed = threading.Event()

    @property
    def port(self) -> int:
        """The port to connect to."""
        port: int = self._listener.getsockname()[1]
        return port

    def swallow_answer_to(self, request: bytes) -> None:
        """Let the next request that contains these bytes through, and cut instead of answering.

        The target has answered by then: `swallowed` is set once its answer is thrown away.
        """
        with self._lock:
            self._swallowed = request

    def redirect(self, target: int) -> None:
        """Pass new connections on to another port; those that are open stay where they are.

        Args:
            target: On the loopback address.
        """
        self._target = target

    def spoil_answer_to(self, request: bytes) -> None:
        """Let the next request that contains these bytes through, and answer it with nonsense.

        Args:
            request: Part of a query; the nonsense is a MySQL packet that can't be read.
        """
        with self._lock:
            self._spoiled = request

    def cut(self) -> None:
        """Break off every connection; new ones are passed on."""
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
                    if self._spoiled is not None and self._spoiled in block:
                        self._spoiled = None
                        faults.spoiling.set()
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
                if faults.spoiling.is_set():
                    faults.spoiling.clear()
                    block = _NONSENSE
                client.sendall(block)
        _close(client, server)


class _Faults:
    """What one connection is told to do to its next answer."""

    def __init__(self) -> None:
        self.cutting = threading.Event()
        self.spoiling = threading.Event()


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
