"""uvicorn's two protocol classes, with a limit on request heads and with problem details.

uvicorn answers malformed requests in plain text, and httptools does not limit heads.

This uses private protocol classes of uvicorn: 0.54, over httptools 0.7 to 0.9 and h11 0.16.
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

from pixy_web.http.problems import MEDIA_TYPE, NO_STORE, Problem, status_title
from pixy_web.server.request_log import REQUEST_IDS

logger = logging.getLogger(__name__)

_DETAILS = {
    400: ("bad_request", "The request is malformed or its method is unknown"),
    431: ("head_too_large", "The header fields are too large"),
    503: ("server_busy", "Too many connections are open"),
}
DEFAULT_LIMIT = 16384
"""Default of the maximum bytes of a request head."""

LINGERING = 2.0
"""Seconds that a refused client has for reading the response."""

_LONGEST_ADDRESS = 65535
"""Maximum bytes of a URL for httptools.parse_url, whose offsets have 16 bits."""


def build_refusal(status: int) -> bytes:
    """Return the response to something that did not become a request, and log it.

    Args:
        status: 400, 431 or 503.
    """
    code, detail = _DETAILS[status]
    request_id = REQUEST_IDS.next()
    logger.warning("answered %d without a request, as %s", status, request_id)
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


_ABSOLUTE_FORM = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)


def take_origin_form(target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the path and query of a target; the host of an absolute one becomes the Host header.

    RFC 9112, section 3.2.2.

    Args:
        target: As the client sent it.
        headers: Names in lower case; changed in place.
    """
    match = _ABSOLUTE_FORM.fullmatch(target)
    if match is None:
        return target
    host, rest = match.groups()
    headers[:] = [(name, host if name == b"host" else value) for name, value in headers]
    return rest if rest.startswith(b"/") else b"/" + rest


class RefusingProtocol(asyncio.Protocol):
    """Handles malformed input, half-closed and too many connections, for both protocols."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    config: Config
    limit_concurrency: int | None
    connections: set[Any]
    cycle: Any
    pipeline: Any = ()
    is_refused = False
    is_half_closed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # uvicorn would keep the connection, and answer its requests with 503 in plain text
        self.limit_concurrency = None
        self.used_at = self.loop.time()
        self.received: list[Any] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection; if there are too many, close idle ones."""
        super().connection_made(transport)
        most = self.config.limit_concurrency
        if most is None or len(self.connections) <= most:
            return
        idle = [each for each in self.connections if each.is_idle() and each is not self]
        if not idle:
            self.is_refused = True
            transport.write(build_refusal(503))
            transport.close()
        # several at once: searching them all for each new connection would take too long
        for each in nsmallest(1 + len(idle) // 16, idle, key=attrgetter("used_at")):
            each.shutdown()

    def is_idle(self) -> bool:
        """Return whether the connection is idle, so that it can be closed."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.transport.is_closing()
            and not self.transport.get_write_buffer_size()
        )

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, unless the connection is refused."""
        if not self.is_refused:
            self.used_at = self.loop.time()
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the client has left: its calls that wait for a thread will not run."""
        # uvicorn's `cycle` is the last request that was received, not the one that is served
        for cycle in {self.cycle, *self.received}:
            if cycle is None or cycle.response_complete:
                continue
            cycle.disconnected = True
            cycle.message_event.set()
            record = cycle.scope["state"].get("request_record")
            if record is not None:
                record.is_abandoned = True
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse a malformed request; uvicorn calls this while it handles the parser's error."""
        error = sys.exception()
        is_large = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431
        self.refuse(431 if is_large else 400)

    def refuse(self, status: int) -> None:
        """Send a response and close; if the request has or will get another response, only close.

        Args:
            status: 400 or 431.
        """
        if self.is_refused:
            return
        self.is_refused = True
        if not self.is_unanswered() and not self._abandon_body():
            self.transport.close()
            return
        self.transport.write(build_refusal(status))
        self.transport.write_eof()
        # with unread bytes, the client's system would discard the response (RFC 9112, 9.6)
        self.loop.call_later(LINGERING, self.transport.close)

    def is_unanswered(self) -> bool:
        """Return whether malformed bytes can get a response without abandoning a request."""
        raise NotImplementedError

    def _abandon_body(self) -> bool:
        """Report a lost client if the application waits for a body; return whether it did."""
        cycle = self.cycle
        if not cycle.more_body or cycle.response_started or self.pipeline:
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return True

    def eof_received(self) -> bool:
        """Return whether the connection stays open for a response; the client sends no more."""
        cycle = self.cycle
        self.is_half_closed = (
            cycle is not None and not cycle.more_body and not cycle.response_complete
        )
        return self.is_half_closed

    def on_response_complete(self) -> None:
        """Begin the next request, or close the connection if there can be none."""
        self.received = [each for each in self.received if not each.response_complete]
        super().on_response_complete()  # type: ignore[misc]
        if self.is_half_closed and self.cycle.response_complete:
            self.transport.close()


class OriginFormConnection(h11.Connection):
    """h11's state of a connection; the targets of its requests are paths."""

    def next_event(self) -> Any:
        """Return the next event."""
        event = super().next_event()
        if not isinstance(event, h11.Request) or event.target.startswith(b"/"):
            return event
        headers = list(event.headers)
        target = take_origin_form(event.target, headers)
        return h11.Request(
            method=event.method, headers=headers, target=target, http_version=event.http_version
        )


class GuardedH11Protocol(RefusingProtocol, H11Protocol):  # type: ignore[misc]  # eof_received
    """uvicorn's h11 protocol; h11 limits the size of heads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = self.config.h11_max_incomplete_event_size or DEFAULT_LIMIT
        self.conn = OriginFormConnection(h11.SERVER, limit)

    def _unsupported_upgrade_warning(self) -> None:
        """Do nothing: uvicorn would log advice to install a library."""

    def is_unanswered(self) -> bool:
        """Return whether malformed bytes can get a response without abandoning a request."""
        return self.conn.our_state is h11.IDLE


class GuardedHttpToolsProtocol(RefusingProtocol, HttpToolsProtocol):  # type: ignore[misc]  # as above
    """uvicorn's httptools protocol, with a limit on request heads. Ignores `Upgrade`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_message = self._in_head = False
        self._limit = self.config.h11_max_incomplete_event_size or DEFAULT_LIMIT
        self._unparsed_bytes = 0
        self._received: bytes | memoryview = b""
        self._unparsed: bytes | memoryview = b""
        self._ignores_upgrade = False

    def data_received(self, data: bytes) -> None:
        """Parse what arrived; refuse it if it is too long for a head."""
        self._unparsed_bytes += len(data)
        self._unparsed = data
        while self._unparsed and not self.is_refused:
            self._received, self._unparsed = self._unparsed, b""
            super().data_received(self._received)
            if self._in_message and self._unparsed_bytes > self._limit:
                self.refuse(431)

    def on_message_begin(self) -> None:
        """Start counting the bytes of the head."""
        super().on_message_begin()
        self._in_message = self._in_head = True
        self._unparsed_bytes = 0

    def on_headers_complete(self) -> None:
        """Start serving the request, unless its URL can't be parsed.

        Raises:
            ValueError: The URL is too long: httptools 0.7 would parse only its end.
        """
        if len(self.url) > _LONGEST_ADDRESS:
            raise ValueError("the address is too long")
        self._ignores_upgrade = any(name == b"upgrade" for name, _ in self.headers)
        if self._ignores_upgrade and self.parser.should_upgrade():
            return
        self._ignores_upgrade = False
        self.url = take_origin_form(self.url, self.headers)
        self._unparsed_bytes = 0
        super().on_headers_complete()
        self.received.append(self.cycle)
        self._in_head = False
        # llhttp reports trailers as header fields, without a limit
        self.headers = deque(maxlen=0)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self._unparsed_bytes = 0
        super().on_body(body)

    def is_unanswered(self) -> bool:
        """Return whether malformed bytes can get a response without abandoning a request."""
        is_idle = self.cycle is None or self.cycle.response_complete
        return is_idle and (self._in_head or not self._in_message)

    def on_message_complete(self) -> None:
        """Prepare for the next request."""
        self._in_message = False
        if not self._ignores_upgrade:
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Parse a request again without its `Upgrade` header (RFC 9110, 7.8).

        uvicorn calls this while it handles httptools' HttpParserUpgrade. httptools treats the body
        of such a request, and what follows it, as data of the other protocol.
        """
        error = sys.exception()
        if not self._ignores_upgrade or not isinstance(error, httptools.HttpParserUpgrade):
            return
        # not copied: it may contain thousands of such requests
        self._unparsed = memoryview(self._received)[error.args[0] :]
        version = self.scope["http_version"].encode()
        lines = [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        start = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)
        self.parser = httptools.HttpRequestParser(self)
        # as uvicorn does: what follows the last request must not cut off its response
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        HttpToolsProtocol.data_received(self, b"\r\n".join([start, *lines, b"", b""]))

    def send_400_response(self, msg: str) -> None:
        """Refuse a malformed request."""
        if len(self.url or b"") > _LONGEST_ADDRESS:
            self.refuse(431)
        else:
            super().send_400_response(msg)
