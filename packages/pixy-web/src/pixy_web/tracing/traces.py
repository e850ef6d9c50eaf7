"""Makes traces and exports them. Only this module imports the SDK of OpenTelemetry."""

import logging
import threading
from collections.abc import Callable, MutableMapping
from importlib.metadata import version
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from pixy_web.tracing.calls import build_observer
from pixy_web.tracing.export_log import ExportLog, mask_headers
from pixy_web.tracing.requests import RequestTracerProvider

logger = logging.getLogger(__name__)

Exclude = Callable[[MutableMapping[str, Any]], bool]

LAST_EXPORT = 5.0
"""Seconds that a stop waits for the export of the last spans."""


class Tracing:
    """The traces of one process.

    Spans wait in memory, 2,048 at most, for a thread that sends them in batches. If the collector
    is away, they are dropped.

    Args:
        exclude: Whether the request with this ASGI scope gets no span.

    Attributes:
        telemetry: FastAPI's configuration, for a span of each request.
        observe_call: Makes the span of a request to the provider.

    Raises:
        OSError: A file that an `OTEL_…` variable names can't be read.
        ValueError: A variable is wrong.
    """

    def __init__(self, exclude: Exclude) -> None:
        self._provider = TracerProvider(resource=_describe_service(), shutdown_on_exit=False)
        mask_headers()
        self._exporter = OTLPSpanExporter()
        self._log = ExportLog()
        self._check_batches()
        self.telemetry: TelemetryConfig = {
            "tracer_provider": RequestTracerProvider(self._provider),
            "tracing": True,
            "metrics": False,
            # it would have messages and tracebacks
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": exclude,
        }
        self.observe_call = build_observer(self._provider.get_tracer("pixy_service"))

    def _check_batches(self) -> None:
        # the SDK reads and checks these variables only where it starts a thread
        self._log.begin()
        try:
            BatchSpanProcessor(SpanExporter()).shutdown()  # type: ignore[no-untyped-call]
        finally:
            self._log.end()

    def start(self) -> None:
        """Start the thread that exports."""
        self._log.begin()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))

    def close(self) -> None:
        """Export the last spans, and wait for that a few seconds at most."""
        last = threading.Thread(target=self._provider.shutdown, name="pixy-tracing", daemon=True)
        last.start()
        last.join(LAST_EXPORT)
        if not last.is_alive():
            self._log.end()
        else:
            logger.warning("the last traces were not exported within %.0f seconds", LAST_EXPORT)
            # ends the tries of that thread
            self._exporter.shutdown()  # type: ignore[no-untyped-call]


def _describe_service() -> Resource:
    ours = Resource.create({SERVICE_NAME: "pixyproxy", SERVICE_VERSION: version("pixy-web")})
    # what `create` has read from the environment gives way to the arguments
    return ours.merge(OTELResourceDetector().detect())
