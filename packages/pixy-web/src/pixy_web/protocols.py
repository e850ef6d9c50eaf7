"""What uvicorn's two parsers leave open: how large a head may be, and what is said to garbage.

They refuse garbage in plain text, have no limit on heads (httptools) and take only the methods
that they know (httptools). What is a request is answered by the application alone.
"""

import asyncio
import logging
import re
import sys
from collections import deque
from heapq import nsmallest
from operator import attrgetter
from typing import Any

import h11
import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pixy_web.file_sending import ZERO_COPY_SEND, FileSendingCycle
from pixy_web.problems import MEDIA_TYPE, NO_STORE, Problem, status_title
from pixy_web.request_log import REQUEST_IDS

logger = logging.getLogger(__name__)

_DETAILS = {
    400: ("bad_request", "This is not HTTP/1.1"),
    431: ("head_too_large", "The header fields are too large"),
    503: ("server_busy", "Too many connections are open"),
}
LINGERING = 2.0
"""Seconds in which a refused client may notice."""

_UNKNOWN_METHOD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) /[!-~]* HTTP/1\.[01]\r\n")
_KNOWN_METHOD = b"UNLINK"
"""A method that llhttp knows and that no route has."""

_LONGEST_ADDRESS = 65535
"""Bytes that httptools.parse_url takes, whose offsets have 16 bits."""


def build_refusal(status: int) -> bytes:
    """Return the answer to something that never became a request, and log it.

    Args:
        status: 400, 431 or 503.
    """
    code, detail = _DETAILS[status]
    request_id = REQUEST_IDS.next()
    logger.warning("answered %d to what is no request, as %s", status, request_id)
    problem = Problem(
        title=status_title(status), status=status, detail=detail, code=code, request_id=request_id
    )
    body = problem.model_dump_json(exclude_none=True)
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "X-Content-Type-Options": "nosniff",
        "X-Request-ID": request_id,
        **NO_STORE,
        "Connection": "close",
    }
    if status == 503:
        headers["Retry-After"] = "1"
    lines = [f"HTTP/1.1 {status} {problem.title}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", body]).encode("ascii")


class RefusingProtocol(asyncio.Protocol):
    """What both protocols do with garbage, and with more connections than they may have."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    config: Config
    limit_concurrency: int | None
    connections: set[Any]
    cycle: Any
    is_refused = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # uvicorn would keep the connection and answer its requests in plain text
        self.limit_concurrency = None
        self.used_at = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, in the place of idle ones if there are too many."""
        super().connection_made(transport)
        most = self.config.limit_concurrency
        if most is None or len(self.connections) <= most:
            return
        idle = [each for each in self.connections if each.is_idle() and each is not self]
        if not idle:
            self.is_refused = True
            transport.write(build_refusal(503))
            transport.close()
        # some more at once: looking at each of them for each new one would take too long
        for each in nsmallest(1 + len(idle) // 16, idle, key=attrgetter("used_at")):
            each.shutdown()

    def is_idle(self) -> bool:
        """Return whether the connection can be closed, since it waits for its next request."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.transport.is_closing()
            and not self.transport.get_write_buffer_size()
        )

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if not self.is_refused:
            self.used_at = self.loop.time()
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse what can't be parsed; uvicorn calls it while it handles the parser's error."""
        error = sys.exception()
        is_large = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431
        self.refuse(431 if is_large else 400)

    def refuse(self, status: int) -> None:
        """Answer and close; where the request has an answer already, or is to get it, only close.

        Args:
            status: 400 or 431.
        """
        if self.is_refused:
            return
        self.is_refused = True
        if not self.is_unanswered():
            self.transport.close()
            return
        self.transport.write(build_refusal(status))
        self.transport.write_eof()
        # closed with bytes unread, the client's system would throw the answer away (RFC 9112, 9.6)
        self.loop.call_later(LINGERING, self.transport.close)

    def is_unanswered(self) -> bool:
        """Return whether what arrives now belongs to no request that the application has."""
        raise NotImplementedError


class GuardedH11Protocol(RefusingProtocol, H11Protocol):
    """uvicorn's protocol over h11, which limits heads by itself."""

    def is_unanswered(self) -> bool:
        """Return whether no request has begun."""
        return self.conn.our_state is h11.IDLE


class GuardedHttpToolsProtocol(RefusingProtocol, HttpToolsProtocol):
    """uvicorn's protocol over httptools, with a limit for heads, and any method."""

    cycle: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_message = self._in_head = False
        # None stands for the parser's own, which is this
        self._limit = self.config.h11_max_incomplete_event_size or 16384
        self._fruitless = 0
        self._first = b""
        self._method: str | None = None

    def data_received(self, data: bytes) -> None:
        """Take what arrived; refuse what is neither a body nor comes to an end."""
        if self.is_refused:
            return
        self._fruitless += len(data)
        # only what begins a message may be taken for its first line
        self._first = b"" if self._in_message else data
        super().data_received(data)
        if self._in_message and self._fruitless > self._limit:
            self.refuse(431)

    def on_message_begin(self) -> None:
        """Count from here."""
        super().on_message_begin()
        self._in_message = self._in_head = True
        self._fruitless = 0

    def on_headers_complete(self) -> None:
        """Start to serve the request; an address that can't be parsed leaves it unbegun.

        Raises:
            ValueError: The address is too long: httptools 0.7 takes its end for all of it.
        """
        if len(self.url) > _LONGEST_ADDRESS:
            raise ValueError("the address is too long")
        self._fruitless = 0
        self._first = b""
        super().on_headers_complete()
        self._serve_files()
        self._in_head = False
        # llhttp reports trailers as header fields, any number and at any time
        self.headers = deque(maxlen=0)  # type: ignore[assignment]
        if self._method is not None:
            self.scope["method"], self._method = self._method, None

    def _serve_files(self) -> None:
        """Let the request that has begun be answered with a file."""
        # what is encrypted passes through this process
        if self.scheme == "http":
            # uvicorn lets nobody choose the class; the task that runs it has not begun
            self.cycle.__class__ = FileSendingCycle
            self.scope["extensions"] = {ZERO_COPY_SEND: {}}

    def eof_received(self) -> bool:  # type: ignore[override]  # what asyncio asks for
        """Return whether the connection stays open for a file, though the client sends no more."""
        cycle = self.cycle
        return (
            isinstance(cycle, FileSendingCycle) and cycle.has_file and not cycle.response_complete
        )

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._fruitless = 0
        super().on_body(body)

    def is_unanswered(self) -> bool:
        """Return whether no request has begun, and the one before has its answer."""
        is_idle = self.cycle is None or self.cycle.response_complete
        return is_idle and (self._in_head or not self._in_message)

    def on_message_complete(self) -> None:
        """Be ready for the next one."""
        self._in_message = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what can't be parsed, but for a method that only the parser doesn't know."""
        if len(self.url or b"") > _LONGEST_ADDRESS:
            self.refuse(431)
            return
        match = _UNKNOWN_METHOD.match(self._first)
        if match is None or not isinstance(sys.exception(), httptools.HttpParserInvalidMethodError):
            super().send_400_response(msg)
            return
        self._in_message = False
        self._method = match[1].decode("ascii")
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(_KNOWN_METHOD + self._first[match.end(1) :])
