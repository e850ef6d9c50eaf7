"""A receiver of traces: the HTTP side of an OpenTelemetry collector.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import gzip
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Span:
    """A span as it was received.

    Attributes:
        kind: `SERVER`, `CLIENT` or `INTERNAL`.
        parent_id: Empty for the first span of a trace.
        is_error: Whether its status is ERROR.
        message: The description of its status.
        resource: The attributes of the process that made it.
    """

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str
    attributes: dict[str, Any]
    is_error: bool
    message: str
    events: int
    nanoseconds: int
    resource: dict[str, Any]


class OtlpReceiver:
    """The receiver, in threads of the test process, on the loopback address.

    Attributes:
        spans: What was received.
        bodies: The requests' bodies, decompressed.
        status: The status that it answers.
        answers: Cleared, it takes requests and does not answer until it is set.
    """

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def endpoint(self) -> str:
        """The value of OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def wait_for(self, is_wanted: Callable[[Span], bool], count: int = 1) -> list[Span]:
        """Wait for spans, and return those that are wanted, in the order of their end."""
        deadline = time.monotonic() + 60
        while len(found := [span for span in list(self.spans) if is_wanted(span)]) < count:
            assert time.monotonic() < deadline, [span.name for span in self.spans]
            time.sleep(0.02)
        return found

    def receive(self, body: bytes) -> None:
        """Keep what a request holds."""
        request = ExportTraceServiceRequest.FromString(body)
        self.bodies.append(body)
        self.spans += [span for sent in request.resource_spans for span in _read_spans(sent)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.answers.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: OtlpReceiver


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
        """Keep quiet."""

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.asked.set()
        receiver.answers.wait()
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        is_right = self.path == "/v1/traces" and self.headers["Content-Type"] == PROTOBUF
        status = receiver.status if is_right else 404
        if status == 200:
            receiver.receive(body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(status)
        self.send_header("Content-Type", PROTOBUF)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def _read_spans(sent: ResourceSpans) -> Iterator[Span]:
    resource = _read_attributes(sent.resource.attributes)
    for scope in sent.scope_spans:
        for span in scope.spans:
            yield Span(
                name=span.name,
                kind=SentSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                trace_state=span.trace_state,
                attributes=_read_attributes(span.attributes),
                is_error=span.status.code == 2,
                message=span.status.message,
                events=len(span.events),
                nanoseconds=span.end_time_unix_nano - span.start_time_unix_nano,
                resource=resource,
            )


def _read_attributes(sent: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in sent}
