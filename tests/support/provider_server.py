"""The HTTP side of the stand-in for OpenAI's Images API: what it reads and writes, and when."""

import base64
import json
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from provider_answers import ANSWERS, Answer
from provider_bodies import Part, read_body, read_parts, read_texts
from provider_events import ENDINGS, EVENTS, PARTIALS, completed, partial, rename_for_edits
from provider_models import find_model
from provider_requests import EDITS_PATH, MODELS_PATH, PAID_PATHS, RecordedRequest

if TYPE_CHECKING:
    from provider import Provider

STREAMS = ("drip", "long_line", "reset", "silent", "stall", "stall_after_image", "truncated")
"""Behaviours that are more than an answer."""
ALL = 100
"""Events of a stream, and more than any has."""


class ProviderServer(ThreadingHTTPServer):
    """Listens on the loopback address, with a thread for each connection."""

    daemon_threads = False
    request_queue_size = 256

    def __init__(self, port: int, provider: "Provider") -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.provider = provider

    def process_request(self, request: Any, client_address: Any) -> None:
        self.provider.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # a client that hangs up is what many tests are about
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ProviderServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
        """Keep quiet."""

    @property
    def _path(self) -> str:
        """The path without its query: `?api-version=` changes nothing."""
        return self.path.partition("?")[0]

    def do_GET(self) -> None:
        provider = self.server.provider
        if self._path == "/requests":
            self._answer(Answer(200, provider.describe_requests()))
        elif f"{self._path}/".startswith(f"{MODELS_PATH}/"):
            provider.model_requests += 1
            name = self._path.removeprefix(MODELS_PATH).removeprefix("/")
            self._answer(find_model(provider.models, name) if name else provider.models)
        else:
            provider.other_requests += 1
            self._answer(Answer(200, provider.describe_requests()))

    def do_PUT(self) -> None:
        _, setting, value = self.path.split("/", 2)
        try:
            self.server.provider.change(setting, value)
        except ValueError as error:
            self._answer(Answer(404, {"error": str(error)}))
        else:
            self._answer(Answer(200, {}))

    def do_POST(self) -> None:
        provider = self.server.provider
        body = read_body(self.headers, self.rfile)
        if self._path not in PAID_PATHS:
            provider.other_requests += 1
            self._answer(Answer(404, {"error": {"message": "no such page"}}))
            return
        try:
            request = self._read_request(body)
        except ValueError as error:
            provider.other_requests += 1
            self._answer(Answer(400, {"error": {"message": str(error), "code": None}}))
            return
        behaviour = provider.take_request(request)
        event = None if behaviour in STREAMS else self._find_last_event(behaviour)
        if event is not None and request.body.get("stream") and provider.streams:
            self._stream(behaviour, request.body.get("partial_images", 0), event)
        elif behaviour in STREAMS:
            getattr(self, f"_{behaviour}")()
        else:
            self._answer(provider.answers[behaviour].repeat(request.body.get("n") or 1))

    def _read_request(self, body: bytes) -> RecordedRequest:
        parts: tuple[Part, ...] = ()
        if self.headers.get_content_type() == "multipart/form-data":
            parts = read_parts(self.headers, body)
            members = read_texts(parts)
        else:
            members = json.loads(body)
        if self._path == EDITS_PATH and not any(part.is_file for part in parts):
            raise ValueError("an edit needs an image")
        return RecordedRequest(self.headers, members, self._path, parts)

    def _find_last_event(self, behaviour: str) -> bytes | None:
        """Return what follows the partial images; None where there is no stream."""
        if behaviour in EVENTS:
            return ENDINGS.get(behaviour, b"")
        return completed(self.server.provider.answers[behaviour])

    def _stream(self, behaviour: str, partial_images: int, last_event: bytes) -> None:
        headers: dict[str, str | None] = {
            "Content-Type": self.server.provider.stream_type,
            "Transfer-Encoding": "chunked",
        }
        self._send_head(200, None, headers)
        provider = self.server.provider
        for index in range(partial_images):
            provider.wait_to_show(index)
            self._send_chunk(partial(index))
        provider.wait_to_show(ALL - 1)
        if behaviour == "events_cut":
            self.wfile.write(b'100\r\nevent: image_generation.completed\ndata: {"b64_')
            return
        if behaviour == "events_cut_in_doubt":
            # a picture, and no word of whether it is finished
            event = b'data: {"b64_json": "%s' % base64.b64encode(PARTIALS[2])
            self.wfile.write(b"1000\r\n" + event + b'"}\n\n' + event)
            return
        while behaviour == "events_drip" and not provider.stopping.wait(0.02):
            self._send_chunk(b": \n")
        if behaviour == "events_stall":
            provider.stopping.wait()
        self._send_chunk(last_event)
        self.wfile.write(b"0\r\n\r\n")

    def _send_chunk(self, content: bytes) -> None:
        # an empty one would end the body
        if self._path == EDITS_PATH:
            content = rename_for_edits(content)
        if content:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def _answer(self, answer: Answer) -> None:
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self._send_head(answer.status, len(body), answer.headers)
        self.wfile.write(body)

    def _send_head(self, status: int, length: int | None, headers: dict[str, str | None]) -> None:
        self.close_connection = True
        self.send_response(status)
        defaults: dict[str, str | None] = {
            "Content-Type": "application/json",
            **({} if length is None else {"Content-Length": str(length)}),
            "Connection": "close",
            "x-request-id": "req_stand_in",
        }
        for name, value in (defaults | headers).items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def _silent(self) -> None:
        """Take the request, and never answer."""
        self.close_connection = True
        self.server.provider.stopping.wait()

    def _stall(self) -> None:
        """Send half an answer, and nothing more."""
        self._send_head(200, 1000, {})
        self.wfile.write(b'{"data": [')
        self.server.provider.stopping.wait()

    def _stall_after_image(self) -> None:
        """Send an image, and never end the answer."""
        self._send_head(200, 1_000_000, {})
        self.wfile.write(json.dumps(ANSWERS["png"].body).encode())
        self.server.provider.stopping.wait()

    def _long_line(self) -> None:
        """Send an event of 200 MB."""
        self._send_head(200, 200_000_000, {"Content-Type": "text/event-stream"})
        self.wfile.write(b'data: {"type": "image_generation.completed", "b64_json": "')
        for _ in range(200):
            self.wfile.write(b"A" * 1_000_000)

    def _drip(self) -> None:
        """Send an answer that has no end, a byte at a time."""
        self._send_head(200, 1_000_000, {})
        while not self.server.provider.stopping.wait(0.02):
            self.wfile.write(b" ")

    def _reset(self) -> None:
        """Break the connection off without an answer."""
        self.close_connection = True
        # closing with a linger time of 0 sends RST; http.server's own end would send FIN first
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(self.connection.detach())

    def _truncated(self) -> None:
        """Promise more bytes than there are."""
        self._send_head(200, 1000, {})
        self.wfile.write(b'{"data": [')
