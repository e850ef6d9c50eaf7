"""The server of `/metrics`, on a port of its own: in the process that watches the workers."""

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

PATH = "/metrics"

_MOST_CLIENTS = 8
"""Connections that are served at once; further ones are closed."""

_TIMEOUT = 10
"""Seconds that a client may be silent, and that its connection may last."""

_PAUSE = 0.1
"""Seconds after a connection that could not be accepted: descriptors may be missing."""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class MetricsApp:
    """WSGI application that answers `GET /metrics`, and 404 to everything else.

    Args:
        collector: Yields the metrics.
    """

    def __init__(self, collector: Collector) -> None:
        registry = CollectorRegistry()
        registry.register(collector)
        self._answer = make_wsgi_app(registry)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        method = environ["REQUEST_METHOD"]
        if method != "GET" or environ["PATH_INFO"] != PATH:
            refusal = _refuse(start_response, HTTPStatus.NOT_FOUND)
            return [] if method == "HEAD" else refusal
        try:
            answer: Iterable[bytes] = self._answer(environ, start_response)
        except Exception:
            logger.exception("the metrics can't be collected")
            return _refuse(start_response, HTTPStatus.INTERNAL_SERVER_ERROR)
        return answer


def _refuse(start_response: StartResponse, status: HTTPStatus) -> list[bytes]:
    body = f"{status.phrase}\n".encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]


@contextmanager
def serving(
    collector: Collector, listeners: list[socket.socket], *, timeout: float = _TIMEOUT
) -> Iterator[None]:
    """Serve the metrics while the block runs.

    Args:
        collector: Yields the metrics.
        listeners: Bound sockets; they are closed at the end.
        timeout: Seconds until a connection is cut, however much it sends.
    """
    app = MetricsApp(collector)
    with ExitStack() as stack:
        for listener in listeners:
            server = _Server(listener, timeout)
            stack.callback(server.server_close)
            server.set_app(app)
            server.server_activate()
            thread = threading.Thread(target=server.accept_all, name="pixy-metrics", daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.end)
        yield


class _Handler(WSGIRequestHandler):
    timeout = _TIMEOUT

    def log_message(self, *_: object) -> None:
        """Log nothing: a scrape comes every few seconds."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection, up to a limit; it listens on a socket that is bound."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, longest: float) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        # WSGIServer sets these when it binds
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        self._free = threading.BoundedSemaphore(_MOST_CLIENTS)
        self._longest = longest
        self._is_ending = False

    def accept_all(self) -> None:
        """Serve connections until `end`.

        Unlike `serve_forever` it does not wake up in between, which would take Python's lock from
        the only worker.
        """
        while not self._is_ending:
            self.handle_request()

    def end(self) -> None:
        """Let `accept_all` return."""
        self._is_ending = True
        self.socket.shutdown(socket.SHUT_RDWR)

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection."""
        try:
            return super().get_request()
        except OSError:
            if not self._is_ending:
                time.sleep(_PAUSE)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread, or close it if there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no memory for another thread
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection in this thread, and cut it if it lasts too long."""
        timer = threading.Timer(self._longest, _cut, (request,))
        timer.daemon = True
        try:
            timer.start()
            super().process_request_thread(request, client_address)
        except RuntimeError:  # no memory for another thread
            self.shutdown_request(request)
        finally:
            timer.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log that the client has left, or was too slow; anything else is a bug."""
        del request
        if isinstance(sys.exception(), OSError):
            logger.info("the connection of %s to the metrics broke off", client_address[0])
        else:
            logger.error(
                "the connection of %s to the metrics failed",
                client_address[0],
                exc_info=sys.exception(),
            )


def _cut(connection: socket.socket) -> None:
    # the client may have left
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
