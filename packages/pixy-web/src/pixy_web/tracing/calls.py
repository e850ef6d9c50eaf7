"""The span of a request to the provider, and the trace that a log line belongs to."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import SpanKind, StatusCode, Tracer, format_trace_id, get_current_span

from pixy_service import ObserveCall, ProviderCall


def build_observer(tracer: Tracer) -> ObserveCall:
    """Return what makes a client span of each call.

    Args:
        tracer: Makes the spans.
    """

    @contextmanager
    def observe(call: ProviderCall) -> Iterator[None]:
        with tracer.start_as_current_span(
            f"{call.method} {call.path}",
            kind=SpanKind.CLIENT,
            attributes=_describe(call),
            # messages and tracebacks may quote what was sent
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
            finally:
                if call.status is not None:
                    span.set_attribute("http.response.status_code", call.status)

    return observe


def _describe(call: ProviderCall) -> dict[str, str | int]:
    # https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span, gen-ai
    attributes: dict[str, str | int] = {
        "http.request.method": call.method,
        "url.template": call.path,
        "server.address": call.host,
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.model,
    }
    if call.port is not None:
        attributes["server.port"] = call.port
    return attributes


def find_trace_id() -> str | None:
    """Return the id of the current trace, 32 hexadecimal digits."""
    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None
