"""The request log: request ids, and the START and END line of each request.

The dependency `log_request` logs START for a request that matches a route; the wrapper
`RequestLog` logs END, and both lines for a request that matches none. `log_lines` has the format.
"""

import json
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
"""The status that is logged if the client leaves before the response is complete, as in nginx."""


# clients put API keys in the place of other words; the id in a key is no secret
_KEY = re.compile("(pixy(?:_|%5F)[A-Za-z0-9]+(?:_|%5F))[A-Za-z0-9%]+", re.IGNORECASE)


# what needs no quotes at the end of a line
_PLAIN_NAME = re.compile(r"[\w.@+-]+")


class RequestIds:
    """Makes request ids, `host-datetime-threadid`, which are unique in the fleet."""

    def __init__(self) -> None:
        self._host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "host"
        self._last = 0
        self._seconds = Seconds("%Y%m%dT%H%M%S")

    def next(self) -> str:
        """Return a new id for a request that this thread serves.

        A native thread id is unique on a host, and two ids of one thread never have the same
        microsecond.
        """
        self._last = max(time.time_ns() // 1000, self._last + 1)
        second, microsecond = divmod(self._last, 1_000_000)
        moment = f"{self._seconds.write(second)}.{microsecond:06d}Z"
        return f"{self._host}-{moment}-{threading.get_native_id()}"


REQUEST_IDS = RequestIds()
"""The only one of this process; two could return the same id."""


class RequestRecord:
    """What is logged about one request, in its ASGI state.

    Attributes:
        user: The name of the user who has signed in; `PrivateImages` notes it.
        is_abandoned: Whether the client's connection is closed; the server's protocol notes it.
    """

    def __init__(self, request_id: str, scope: Scope) -> None:
        self.request_id = request_id
        self.method: str = scope["method"]
        # the path as it was sent: still percent-encoded, so it can't break a line
        path = scope["raw_path"].decode("latin-1")
        self.path = _KEY.sub(r"\1***", path) if "pixy" in path else path
        self.started_at = time.perf_counter()
        self.is_started = False
        self.user: str | None = None
        self.duration: float | None = None
        self.status: int | None = None
        self.is_complete = False
        self.is_abandoned = False

    def log_start(self) -> None:
        """Log the START line, once."""
        if not self.is_started:
            self.is_started = True
            _log(self, "REQUEST START %s %s", self.method, self.path)

    def log_end(self) -> None:
        """Log the END line, with 499 if the client left before the end of the response."""
        if not self.is_complete:
            self.status = CLIENT_CLOSED_REQUEST
        self.duration = (time.perf_counter() - self.started_at) * 1000
        if self.user is None:
            _log(self, "REQUEST END %s %.0fms", self.status, self.duration)
        else:
            name = _quote(self.user)
            _log(self, "REQUEST END %s %.0fms user=%s", self.status, self.duration, name)

    def describe(self) -> dict[str, object]:
        """Return what is known of the request, as members of a line in JSON."""
        known: dict[str, object] = {"method": self.method, "path": self.path}
        if self.duration is not None:
            known |= {"status": self.status, "duration_ms": round(self.duration, 3)}
        if self.user is not None:
            known["user"] = self.user
        return known


_current_record: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)


def check_client() -> None:
    """Return if the client of the current request is still connected.

    Raises:
        ClientDisconnect: The server has noted that it is gone.
    """
    record = _current_record.get()
    if record is not None and record.is_abandoned:
        raise ClientDisconnect


def _quote(name: str) -> str:
    """Return a user's name, as a string of JSON if it could be taken for something else."""
    return name if _PLAIN_NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _log(request: RequestRecord, message: str, *arguments: object) -> None:
    """Do what `logger.info(…, stacklevel=3)` does, without searching the stack."""
    if logger.isEnabledFor(logging.INFO):
        frame = sys._getframe(2)  # noqa: SLF001 - as `logging` itself does
        code = frame.f_code
        record = logger.makeRecord(
            logger.name,
            logging.INFO,
            code.co_filename,
            frame.f_lineno,
            message,
            arguments,
            None,
            code.co_name,
        )
        record.describe = request.describe
        logger.handle(record)


async def log_request(request: Request) -> None:
    """Log the START line: the global dependency, which runs for every matched route."""
    record: RequestRecord = request.scope["state"]["request_record"]
    record.log_start()


LOGGED = [Depends(log_request)]
"""The dependency of every router."""


class RequestLog:
    """ASGI middleware that gives each request an id and an END line, even if it crashes."""

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
        """Run the application; an unexpected error is logged and answered here, and only here."""
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
            else:  # too late for another response: the server closes the connection
                record.status, record.is_complete = 500, True
