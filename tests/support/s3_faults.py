"""An HTTP proxy between a service and its S3 server, with faults that a test chooses.

A test sets `choose`, which names the fault of each request:

    with S3Faults(server.port) as faults:
        faults.choose = at_request(3, swallow)
"""

import random
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_HOP_BY_HOP = {"connection", "expect", "keep-alive", "transfer-encoding"}
_NO_BODY = (204, 304)
_ERROR = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>{}</Message></Error>"


@dataclass(frozen=True)
class S3Request:
    """A request that has come to the proxy.

    Attributes:
        number: Its sequence number, from 1.
        method: The HTTP method.
        path: The path, encoded, without the query.
        query: The query, encoded.
    """

    number: int
    method: str
    path: str
    query: str


@dataclass(frozen=True)
class Answer:
    """An answer of the server, or one in its place."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Exchange:
    """One request, whose fault decides what the server and the client get of it.

    Attributes:
        request: The request.
        body: Its body.
    """

    def __init__(self, request: S3Request, handler: "_Handler", body: bytes) -> None:
        self.request = request
        self.body = body
        self._handler = handler

    def forward(self) -> Answer:
        """Let the server do the work, and return its answer.

        Raises:
            OSError: It can't be reached.
        """
        handler = self._handler
        connection = HTTPConnection("127.0.0.1", handler.server.faults.target, timeout=120)
        try:
            connection.putrequest(
                handler.command, handler.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in handler.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(self.body)
            answer = connection.getresponse()
            headers = tuple((n, v) for n, v in answer.getheaders() if n.lower() not in _HOP_BY_HOP)
            return Answer(answer.status, answer.reason, headers, answer.read())
        finally:
            connection.close()

    def send(self, answer: Answer) -> None:
        """Send the client an answer."""
        self._write_head(answer)
        # a client would take the body of an answer to HEAD for the next answer
        if self.request.method != "HEAD":
            self._handler.wfile.write(answer.body)

    def send_half(self, answer: Answer) -> None:
        """Send the first half of an answer's body, or of its first line if it has none, and cut."""
        handler = self._handler
        if answer.body:
            self._write_head(answer)
            handler.wfile.write(answer.body[: len(answer.body) // 2])
        else:
            handler.wfile.write(b"HTTP/1")
        self.cut()

    def cut(self) -> None:
        """Close the client's connection."""
        self._handler.close_connection = True

    def wait(self, seconds: float) -> None:
        """Do nothing for a time, or until the proxy is stopped."""
        self._handler.server.faults.stopping.wait(seconds)

    def _write_head(self, answer: Answer) -> None:
        handler = self._handler
        handler.send_response_only(answer.status, answer.reason)
        names = set()
        for name, value in answer.headers:
            handler.send_header(name, value)
            names.add(name.lower())
        if "content-length" not in names and answer.status not in _NO_BODY:
            handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()


Fault = Callable[[Exchange], None]
Choose = Callable[[S3Request], Fault | None]


def swallow(exchange: Exchange) -> None:
    """Cut the connection once the server has done its work: a lost acknowledgement."""
    exchange.forward()
    exchange.cut()


def truncate(exchange: Exchange) -> None:
    """Send half of the answer, then cut the connection."""
    exchange.send_half(exchange.forward())


def slow_down(exchange: Exchange) -> None:
    """Answer 503 SlowDown; the server is not asked."""
    exchange.send(_refuse(503, "SlowDown", "Please reduce your request rate."))


def forbid(exchange: Exchange) -> None:
    """Answer 403 AccessDenied; the server is not asked."""
    exchange.send(_refuse(403, "AccessDenied", "Access Denied"))


def stall(seconds: float) -> Fault:
    """Return a fault that answers this much later."""

    def wait(exchange: Exchange) -> None:
        exchange.wait(seconds)
        exchange.send(exchange.forward())

    return wait


def call(before: Callable[[], object] = bool, after: Callable[[], object] = bool) -> Fault:
    """Return a fault that calls functions, such as to kill a process.

    Args:
        before: Called before the server is asked.
        after: Called when the server has answered, before the client gets the answer.
    """

    def call_both(exchange: Exchange) -> None:
        before()
        answer = exchange.forward()
        after()
        exchange.send(answer)

    return call_both


def at_request(number: int, fault: Fault) -> Choose:
    """Choose a fault for the request of this number, and for no other."""
    return lambda request: fault if request.number == number else None


def at_random(seed: object, shares: Mapping[Fault, float]) -> Choose:
    """Choose faults at random.

    Args:
        seed: The same seed chooses the same faults for the same sequence of requests.
        shares: The probability of each fault.
    """
    chance, lock = random.Random(str(seed)), threading.Lock()

    def choose(_request: S3Request) -> Fault | None:
        with lock:
            number = chance.random()
        for fault, share in shares.items():
            number -= share
            if number < 0:
                return fault
        return None

    return choose


class S3Faults:
    """Forwards requests to a server on the loopback address, with faults on demand.

    Attributes:
        target: The server's port.
        requests: All requests so far.
        choose: Names the fault of each request; None forwards it.
        stopping: Set when the proxy stops.

    Args:
        target: The server's port.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.requests: list[S3Request] = []
        self.choose: Choose = lambda _request: None
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """The endpoint to give the service."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def record(self, method: str, target: str) -> S3Request:
        """Record a request, and return it with its number."""
        path, _, query = target.partition("?")
        with self._lock:
            request = S3Request(len(self.requests) + 1, method, path, query)
            self.requests.append(request)
        return request

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], faults: S3Faults) -> None:
        super().__init__(address, _Handler)
        self.faults = faults

    def handle_error(self, request: Any, client_address: Any) -> None:
        # a killed client or server is what many tests are about
        if not isinstance(sys.exception(), (OSError, HTTPException)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
        """Keep quiet."""

    def _exchange(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        faults = self.server.faults
        request = faults.record(self.command, self.path)
        exchange = Exchange(request, self, body)
        fault = faults.choose(request)
        if fault is None:
            exchange.send(exchange.forward())
        else:
            fault(exchange)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _exchange  # noqa: N815 - http.server's


def _refuse(status: int, code: str, message: str) -> Answer:
    body = _ERROR.format(code, message).encode()
    return Answer(status, code, (("Content-Type", "application/xml"),), body)
