"""What the libraries of OpenTelemetry log, once a minute at most."""

import logging
import time

logger = logging.getLogger(__name__)

PERIOD = 60.0
"""Seconds between two lines."""

_LIBRARIES = logging.getLogger("opentelemetry")
_HEADER_PARSER = logging.getLogger("opentelemetry.util.re")

_CLIENTS_HEADERS = ("opentelemetry.baggage.", "opentelemetry.trace.")
"""Loggers that quote the headers of requests. A client could hide here why an export failed."""


def mask_headers() -> None:
    """Keep headers that `OTEL_EXPORTER_OTLP_HEADERS` has in a wrong form out of the log."""
    _HEADER_PARSER.addFilter(_mask_header)


def _mask_header(record: logging.LogRecord) -> bool:
    record.args = ("***",)
    return True


class ExportLog(logging.Handler):
    """Logs the first of the libraries' messages, and then one a minute at most.

    A collector that is away would cause several in a second.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._next = 0.0
        self._unlogged = 0

    def begin(self) -> None:
        """Take over the libraries' messages."""
        _LIBRARIES.addHandler(self)
        _LIBRARIES.propagate = False

    def end(self) -> None:
        """Leave them to the root logger again."""
        _LIBRARIES.removeHandler(self)
        _LIBRARIES.propagate = True

    def emit(self, record: logging.LogRecord) -> None:
        """Log a message about an export, unless there was one in the last minute."""
        if record.name.startswith(_CLIENTS_HEADERS):
            return
        now = time.monotonic()
        if now < self._next:
            self._unlogged += 1
            return
        self._next = now + PERIOD
        more = f" ({self._unlogged} more since the last line)" if self._unlogged else ""
        self._unlogged = 0
        logger.warning("traces can't be exported: %s%s", record.getMessage(), more)
