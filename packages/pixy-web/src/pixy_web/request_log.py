"""The request log: request ids, the START and END lines, and the format of every line.

The dependency `log_request` logs START for a request that matches a route; the wrapper
`RequestLog` logs END, and both lines for a request that matches none.
"""

import logging
import re
import socket
import threading
import time
from contextvars import ContextVar

from fastapi import Depends
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pixy_web.error_handler import respond_to_crash

logger = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""Logged when the client is gone before the answer is complete; nginx's own code for it."""

_current_request_id: ContextVar[str] = ContextVar("request_id", default="-")
# C0 and C1 controls, DEL, and the line and paragraph separators
_UNSAFE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


class _Seconds:
    """Writes seconds since the epoch as UTC, the latest one from memory.

    Args:
        template: As for `time.strftime`.
    """

    def __init__(self, template: str) -> None:
        self._template = template
        self._latest = (-1, "")

    def write(self, second: int) -> str:
        latest, text = self._latest
        if second != latest:
            text = time.strftime(self._template, time.gmtime(second))
            self._latest = second, text
        return text


class LogFormatter(logging.Formatter):
    """`YYYY-MM-DD HH:MM:SS,mmm LEVEL request-id [thread-id] [function:line] message`.

    Times are UTC. Control characters are escaped, and each line of a traceback is a line of
    this format of its own, so whatever is logged can be told apart line by line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seconds = _Seconds("%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, or more where it carries a traceback."""
        second = self._seconds.write(int(record.created))
        prefix = (
            f"{second},{int(record.msecs):03d} {record.levelname} {_current_request_id.get()} "
            f"[{threading.get_native_id()}] [{record.funcName}:{record.lineno}] "
        )
        lines = [record.getMessage()]
        if record.exc_info:
            lines += self.formatException(record.exc_info).splitlines()
        return "\n".join(
            prefix + (line if line.isprintable() else line.translate(_UNSAFE)) for line in lines
        )


def configure_logging(level: str) -> None:
    """Send every line of this process to standard error, in the format of `LogFormatter`.

    Args:
        level: The least level that is logged, such as "INFO".
    """
    # facts that the format doesn't have: https://docs.python.org/3/howto/logging.html#optimization
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # at INFO the SDK's client logs its requests, Alembic its steps, and uvicorn what END says
    for name in ("httpx2", "alembic", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


class RequestIds:
    """Makes request ids, `host-datetime-threadid`, each of them once in the fleet."""

    def __init__(self) -> None:
        self._host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "host"
        self._last = 0
        self._seconds = _Seconds("%Y%m%dT%H%M%S")

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
    """What the log knows of one request, kept in its ASGI state."""

    def __init__(self, request_id: str, scope: Scope) -> None:
        self.request_id = request_id
        self.method: str = scope["method"]
        # the path as it was sent: still percent-encoded, so it can't break a line
        self.path = scope["raw_path"].decode("latin-1")
        self.started_at = time.perf_counter()
        self.is_started = False
        self.status: int | None = None
        self.is_complete = False

    def log_start(self) -> None:
        """Log the START line, once."""
        if not self.is_started:
            self.is_started = True
            logger.info("REQUEST START %s %s", self.method, self.path, stacklevel=2)

    def log_end(self) -> None:
        """Log the END line, with 499 where the client has left before the answer's end."""
        status = self.status if self.is_complete else CLIENT_CLOSED_REQUEST
        duration = (time.perf_counter() - self.started_at) * 1000
        logger.info("REQUEST END %s %.0fms", status, duration, stacklevel=2)


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
        token = _current_request_id.set(record.request_id)

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
            _current_request_id.reset(token)

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
