"""What the spans of requests hold, and which traces they continue. FastAPI makes them.

By itself it continues the trace of any client, and puts path and query into the span.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Tracer, TracerProvider, use_span
from opentelemetry.util.types import Attributes

from pixy_web.tracing.parents import get_trusted_parent

KEPT = frozenset({"http.request.method", "url.scheme", "network.protocol.version"})
"""The attributes that a span starts with. FastAPI adds `http.route`, `http.response.status_code`
and `error.type` later.

Left out are those with text from clients: `url.path` (guids), `url.query` (words of a search),
`server.address` (the Host header) and unknown methods.
"""


class RequestTracerProvider(TracerProvider):
    """Gives FastAPI its tracer.

    Args:
        provider: The provider whose tracers make the spans.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def get_tracer(self, *arguments: Any, **options: Any) -> Tracer:
        """Return the tracer for a library."""
        return RequestTracer(self._provider.get_tracer(*arguments, **options))


class RequestTracer(Tracer):
    """Starts spans without text from clients, below a parent that a trusted proxy has named.

    Args:
        tracer: Makes the spans.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        *arguments: Any,
        **options: Any,
    ) -> Span:
        """Start a span; the context that FastAPI has read from the headers is ignored."""
        del context
        kept = {key: value for key, value in (attributes or {}).items() if key in KEPT}
        parent = get_trusted_parent()
        return self._tracer.start_span(name, parent, kind, kept, *arguments, **options)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # no decorator for coroutines
        self, *arguments: Any, **options: Any
    ) -> Iterator[Span]:
        """Start a span as `start_span` does, and make it the current one."""
        end_on_exit = options.pop("end_on_exit", True)
        with use_span(self.start_span(*arguments, **options), end_on_exit=end_on_exit) as span:
            yield span
