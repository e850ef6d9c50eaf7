"""The lines of the log: their format, and when they are written.

`request_log` logs the requests.
"""

import asyncio
import logging
import threading
import time
from contextvars import Context, ContextVar

from pixy_web.server.log_stream import LineStream, LogStream, open_log_stream

current_request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request that is being served."""

# C0 and C1 controls, DEL, and the line and paragraph separators
_UNSAFE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


class Seconds:
    """Writes seconds since the epoch as UTC, the latest one from memory.

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

    Times are UTC. Control characters are escaped, and each line of a traceback is a line of
    this format of its own, so whatever is logged can be told apart line by line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seconds = Seconds("%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, or more where it carries a traceback."""
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


_SERVER_LOGGER = "uvicorn.error"


class LineHandler(logging.StreamHandler[LineStream]):
    """Writes to a stream: from an event loop all lines of one turn at once, else each.

    A write costs as much as all else about a line, and a loop that is busy serves several
    requests in a turn. Warnings, and what is worse, are written before anything else happens,
    as are the server's own lines on its start and stop: a signal ends the process in that turn.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: LineStream) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._asked: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record, or see to it that it is written."""
        try:
            # before the list is looked at: what is put into a line may log, and so write the list
            line = self.format(record)
            self._lines.append(line)
            loop = _find_loop()
            if loop is None or record.levelno > logging.INFO or record.name == _SERVER_LOGGER:
                self.flush()
            elif loop is not self._asked:
                # another loop that was asked may be busy, or over
                self._asked = loop
                loop.call_soon(self.flush)
        except Exception:  # noqa: BLE001 - what all handlers do: logging must not break a program
            self.handleError(record)

    def flush(self) -> None:
        """Write what isn't written yet."""
        # the handler's lock, which `emit` is called with: a line that comes now is not lost
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
        """Write what isn't written yet, and wait a moment for its reader."""
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


def _describe_loss(count: int) -> str:
    text = "%d log lines were dropped: standard error was not read"
    record = logging.LogRecord(
        __name__, logging.WARNING, __file__, 0, text, (count,), None, _describe_loss.__name__
    )
    # not in the context of the request that happens to log next
    return f"{Context().run(LogFormatter().format, record)}\n"


def configure_logging(level: str) -> None:
    """Send every line of this process to standard error, in the format of `LogFormatter`.

    Where nobody reads it, lines are dropped and counted: see `log_stream`.

    Args:
        level: The least level that is logged, such as "INFO".
    """
    # facts that the format doesn't have: https://docs.python.org/3/howto/logging.html#optimization
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = LineHandler(open_log_stream(_describe_loss))
    handler.setFormatter(LogFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # at INFO the SDK's client logs its requests, Alembic its steps, and uvicorn what END says
    for name in ("httpx2", "alembic", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


def drain_log() -> None:
    """Write what isn't written yet, and wait a moment for its reader.

    A server that is stopped by a signal ends by that signal, without what `logging` does at exit.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler):
            handler.drain()
