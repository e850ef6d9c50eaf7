"""The request log: request ids, and the START and END line of each request.

The dependency `log_request` logs START for a request that matches a route; the wrapper
`RequestLog` logs END, and both lines for a request that matches none. How a line looks stands in
`log_lines`.
"""

import logging
import re
import socket
import sys
import threading
import time
from contextvars import ContextVar

from fastapi import Depends
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixy_web.http.error_handler import respond_to_crash
from pixy_web.server.log_lines import Seconds, current_request_id

logger = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""Logged when the client is gone before the answer is complete; nginx's own code for it."""


class RequestIds:
    """Makes request ids, `host-datetime-threadid`, each of them once in the fleet."""

    def __init__(self) -> None:
        self._host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "host"
        self._last = 0
        self._seconds = Seconds("%Y%m%dT%H%M%S")

    def next(self) -> str:
        """Return a new id for a request that this thread serves.

        A native thread id is one thread of one process of the host; two ids of the same
        thread never share their microsecond.
        """
        self._last = max(time.time_ns() // 1000, self._last + 1)
        second, microsecond = divmod(self._last, 1_000_000)
        moment = f"{self._seconds.write(second)}.{microsecond:06d}Z"
        return f"{self._host}-{moment}-{threading.get_native_id()}"


REQUEST_IDS = RequestIds()
"""One counter for the process, or two parts of it could give the same id."""


class RequestRecord:
    """What the log knows of one request, kept in its ASGI state.

    Attributes:
        is_abandoned: Whether the client's connection is closed; the server's protocol notes it.
    """

    def __init__(self, request_id: str, scope: Scope) -> None:
        self.request_id = request_id
        self.method: str = scope["method"]
        # the path as it was sent: still percent-encoded, so it can't break a line
        self.path = scope["raw_path"].decode("latin-1")
        self.started_at = time.perf_counter()
        self.is_started = False
        self.status: int | None = None
        self.is_complete = False
        self.is_abandoned = False

    def log_start(self) -> None:
        """Log the START line, once."""
        if not self.is_started:
            self.is_started = True
            _log("REQUEST START %s %s", self.method, self.path)

    def log_end(self) -> None:
        """Log the END line, with 499 where the client has left before the answer's end."""
        status = self.status if self.is_complete else CLIENT_CLOSED_REQUEST
        duration = (time.perf_counter() - self.started_at) * 1000
        _log("REQUEST END %s %.0fms", status, duration)


_current_record: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)


def check_client() -> None:
    """Return if the client of the current request is still connected.

    Raises:
        ClientDisconnect: The server has noted that it is gone.
    """
    record = _current_record.get()
    if record is not None and record.is_abandoned:
        raise ClientDisconnect


def _log(message: str, *arguments: object) -> None:
    """Do what `logger.info(…, stacklevel=3)` does, without its walk over the stack."""
    if logger.isEnabledFor(logging.INFO):
        frame = sys._getframe(2)  # noqa: SLF001 - as `logging` itself does
        code = frame.f_code
        logger.handle(
            logger.makeRecord(
                logger.name,
                logging.INFO,
                code.co_filename,
                frame.f_lineno,
                message,
                arguments,
                None,
                code.co_name,
            )
        )


async def log_request(request: Request) -> None:
    """Log the START line: the global dependency, which runs for every matched route."""
    record: RequestRecord = request.scope["state"]["request_record"]
    record.log_start()


LOGGED = [Depends(log_request)]
"""The dependency of every router."""


class RequestLog:
    """ASGI wrapper that gives each request its id and its END line, also when it crashes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._request_ids = REQUEST_IDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(self._request_ids.next(), scope)
        scope.setdefault("state", {})["request_record"] = record
        token = current_request_id.set(record.request_id)
        record_token = _current_record.set(record)

        async def send_logged(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", record.request_id.encode("ascii")),
                ]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                record.is_complete = True

        try:
            await self._serve(record, scope, receive, send_logged)
        finally:
            record.log_start()
            record.log_end()
            _current_record.reset(record_token)
            current_request_id.reset(token)

    async def _serve(
        self, record: RequestRecord, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Run the application; a crash is logged and answered here, so no server logs it twice."""
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            logger.info("the client is gone")
        except Exception:
            record.log_start()
            logger.exception("the request crashed")
            if record.status is None:
                response = respond_to_crash(Request(scope))
                await response(scope, receive, send)
            else:  # too late for another answer: the server cuts the connection
                record.status, record.is_complete = 500, True
