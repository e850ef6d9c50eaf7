"""The formats of log lines, and when they are written.

`request_log` logs the requests.
"""

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from contextvars import Context, ContextVar
from functools import partial

from pixy_web.server.log_stream import LineStream, LogStream, open_log_stream

NO_REQUEST = "-"

current_request_id: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)
"""The id of the current request."""

# C0 and C1 controls, DEL, and the line and paragraph separators
_UNSAFE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


class Seconds:
    """Formats seconds since the epoch as UTC, and caches the last one.

    Args:
        template: As for `time.strftime`.
    """

    def __init__(self, template: str) -> None:
        self._template = template
        self._latest = (-1, "")

    def write(self, second: int) -> str:
        """Return a second as text."""
        latest, text = self._latest
        if second != latest:
            text = time.strftime(self._template, time.gmtime(second))
            self._latest = second, text
        return text


class LogFormatter(logging.Formatter):
    """`YYYY-MM-DD HH:MM:SS,mmm LEVEL request-id [thread-id] [function:line] message`.

    Times are UTC. Control characters are escaped, and each line of a traceback has this format too,
    so a program can read the log line by line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seconds = Seconds("%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, or several if it has a traceback."""
        second = self._seconds.write(int(record.created))
        prefix = (
            f"{second},{int(record.msecs):03d} {record.levelname} {current_request_id.get()} "
            f"[{threading.get_native_id()}] [{record.funcName}:{record.lineno}] "
        )
        lines = [record.getMessage()]
        if record.exc_info:
            lines += self.formatException(record.exc_info).splitlines()
        return "\n".join(
            prefix + (line if line.isprintable() else line.translate(_UNSAFE)) for line in lines
        )


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII, with the facts of `LogFormatter` as members.

    What is not known is left out. The lines of a request's start and end have the members that the
    `describe` of their record returns; see `request_log`.

    Attributes:
        find_trace_id: Returns the id of the current trace; None: there are no traces.
    """

    find_trace_id: Callable[[], str | None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self._seconds = Seconds("%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        second = self._seconds.write(int(record.created))
        line: dict[str, object] = {
            "time": f"{second}.{int(record.msecs):03d}Z",
            "level": record.levelname,
        }
        request_id = current_request_id.get()
        if request_id != NO_REQUEST:
            line["request_id"] = request_id
        if self.find_trace_id is not None and (trace_id := self.find_trace_id()) is not None:
            line["trace_id"] = trace_id
        line |= {
            "process": os.getpid(),
            "thread": threading.get_native_id(),
            "function": record.funcName,
            "line": record.lineno,
            "message": record.getMessage(),
        }
        describe: Callable[[], dict[str, object]] | None = getattr(record, "describe", None)
        if describe is not None:
            line |= describe()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # the only control character that JSON does not escape
        return json.dumps(line).replace("\x7f", "\\u007f")


FORMATTERS = {"text": LogFormatter, "json": JsonFormatter}
"""The formatters by the values of `PIXY_LOG_FORMAT`."""

_SERVER_LOGGER = "uvicorn.error"


class LineHandler(logging.StreamHandler[LineStream]):
    """Writes to a stream: on an event loop, the lines of one turn together; elsewhere, each alone.

    A write costs as much as the rest of a line's work, and a busy loop serves several requests in
    one turn. Warnings and errors are written at once, and so are the server's own lines when it
    starts and stops: a signal may end the process in that turn.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: LineStream) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._asked: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record, or schedule that."""
        try:
            # before the list is used: formatting may log something, which writes the list
            line = self.format(record)
            self._lines.append(line)
            loop = _find_loop()
            if loop is None or record.levelno > logging.INFO or record.name == _SERVER_LOGGER:
                self.flush()
            elif loop is not self._asked:
                # another loop that was asked may be busy or closed
                self._asked = loop
                loop.call_soon(self.flush)
        except Exception:  # noqa: BLE001 - what all handlers do: logging must not break a program
            self.handleError(record)

    def flush(self) -> None:
        """Write all pending lines."""
        # `emit` runs under the same lock, so a line that is added now is not lost
        self.acquire()
        try:
            self._asked = None
            lines, self._lines = self._lines, []
            if lines:
                self.stream.write("\n".join((*lines, "")))
            self.stream.flush()
        finally:
            self.release()

    def drain(self) -> None:
        """Write all pending lines, and wait a moment for the reader."""
        self.flush()
        if isinstance(self.stream, LogStream):
            self.stream.drain()

    def close(self) -> None:
        """Write the last lines, at the end of the process."""
        self.drain()
        super().close()


def _find_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _describe_loss(formatter: logging.Formatter, count: int) -> str:
    text = "%d log lines were dropped: standard error was not read"
    record = logging.LogRecord(
        __name__, logging.WARNING, __file__, 0, text, (count,), None, _describe_loss.__name__
    )
    # an empty context, not that of the request that logs next
    return f"{Context().run(formatter.format, record)}\n"


def configure_logging(
    level: str, form: str, find_trace_id: Callable[[], str | None] | None = None
) -> None:
    """Send every line of this process to standard error.

    If nobody reads it, lines are dropped and counted: see `log_stream`.

    Args:
        level: The lowest level that is logged, such as "INFO".
        form: The name of a formatter in `FORMATTERS`.
        find_trace_id: As for `JsonFormatter`; lines in text have no such id.
    """
    formatter = FORMATTERS[form]()
    if isinstance(formatter, JsonFormatter):
        formatter.find_trace_id = find_trace_id
    # values that the format does not use: https://docs.python.org/3/howto/logging.html#optimization
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = LineHandler(open_log_stream(partial(_describe_loss, formatter)))
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # at INFO the SDK's client logs its requests, Alembic its steps, uvicorn what END lines say
    for name in ("httpx2", "alembic", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


def drain_log() -> None:
    """Write all pending lines, and wait a moment for the reader.

    A signal that stops a server ends the process before `logging` flushes at exit.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler):
            handler.drain()
