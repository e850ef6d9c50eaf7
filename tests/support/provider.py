"""A stand-in for OpenAI's Images API: a real HTTP server whose behaviour a test chooses.

In a test: `with Provider() as provider: provider.behave("drip")`. As a process of its own:
`python tests/support/provider.py --port 9100 --behaviour png`, then `PUT /behaviour/NAME` changes
what it does and `GET /requests` counts what it was asked. The answers stand in
provider_answers.py, and what it streams when it is asked to in provider_events.py.
"""

import argparse
import base64
import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from provider_answers import ANSWERS as USUAL_ANSWERS
from provider_answers import Answer
from provider_events import ENDINGS, EVENTS, PARTIALS, completed, partial
from provider_oddities import ODD_ANSWERS

PAID_PATH = "/v1/images/generations"
REFUSALS = (400, 401, 403, 404, 409, 422, 429, 503)
"""Statuses for which a provider doesn't charge."""
STREAMS = ("drip", "long_line", "reset", "silent", "stall", "stall_after_image", "truncated")
ANSWERS = USUAL_ANSWERS | ODD_ANSWERS
BEHAVIOURS = (*ANSWERS, *STREAMS)
"""What `behave` takes; and EVENTS, which are only seen by who asks for a stream."""

_ALL = 100
"""Events of a stream, and more than any has."""


@dataclass(frozen=True)
class RecordedRequest:
    """A request that the provider would have charged for."""

    headers: Message
    body: dict[str, Any]


class Provider:
    """The server, in a thread of the test process, on the loopback address.

    Args:
        port: 0 for any free one.

    Attributes:
        purchases: The prompts of the requests that were not refused: what was paid for.
        answers: What it answers for each behaviour that is no more than an answer.
        latency: Returns for each paid request the seconds that it takes.
        streams: Whether it streams to who asks for it, as OpenAI does and others don't.
        stream_type: What it says that a stream is.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[RecordedRequest] = []
        self.purchases: list[str] = []
        self.connections = 0
        self.other_requests = 0
        self.stopping = threading.Event()
        self.latency: Callable[[], float] = lambda: 0.0
        self.streams = True
        self.stream_type = "text/event-stream; charset=utf-8"
        self.answers = dict(ANSWERS)
        self._behaviours = ["png"]
        self._arrived = threading.Condition()
        self._free = threading.Event()
        self._free.set()
        self._shown = _ALL
        self._shows = threading.Condition()
        self._server = _Server(port, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def base_url(self) -> str:
        """The URL to give the SDK."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def paid_requests(self) -> int:
        """How many requests a real provider would have charged for."""
        return len(self.requests)

    def behave(self, *behaviours: str) -> None:
        """Behave so from the next request on, one after the other; the last one stays.

        Args:
            behaviours: Some of BEHAVIOURS and EVENTS.

        Raises:
            ValueError: There is no such behaviour.
        """
        known = (*self.answers, *STREAMS, *EVENTS)
        if not behaviours or not set(behaviours) <= set(known):
            raise ValueError(f"choose from {', '.join(known)}")
        self._behaviours = list(behaviours)

    def answer_with(self, content: bytes) -> None:
        """Answer with this image file from the next request on."""
        picture = {"b64_json": base64.b64encode(content).decode()}
        self.answers["file"] = Answer(200, {"created": 1, "data": [picture]})
        self.behave("file")

    def wait_for_requests(self, count: int) -> None:
        """Return when so many paid requests have arrived in all.

        Raises:
            TimeoutError: They did not within 30 seconds.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: self.paid_requests >= count, 30):
                raise TimeoutError

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Give no answer until this block is left; requests arrive and are recorded."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    @contextmanager
    def unfinished(self, partials: int = 3) -> Iterator[None]:
        """Stream so many partial images at most, and nothing more until this block is left."""
        self.show(partials)
        try:
            yield
        finally:
            self.finish()

    def show(self, partials: int) -> None:
        """Stream so many partial images of each answer."""
        with self._shows:
            self._shown = partials
            self._shows.notify_all()

    def finish(self) -> None:
        """Stream all that there is."""
        self.show(_ALL)

    def wait_to_show(self, number: int) -> None:
        """Return when the event of this number, from 0, may be sent."""
        with self._shows:
            self._shows.wait_for(lambda: number < self._shown)

    def release(self) -> None:
        """Answer what `holding` holds, and everything after it."""
        self._free.set()

    def start(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every exchange, and return when the port is free."""
        self.stopping.set()
        self._free.set()
        self.finish()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def take_request(self, request: RecordedRequest) -> str:
        """Record a paid request, and return the behaviour for it once the provider is free."""
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
            is_last = len(self._behaviours) == 1
            behaviour = self._behaviours[0] if is_last else self._behaviours.pop(0)
            if behaviour not in self.answers or self.answers[behaviour].status not in REFUSALS:
                self.purchases.append(request.body["prompt"])
        self._free.wait()
        self.stopping.wait(self.latency())
        return behaviour


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 256

    def __init__(self, port: int, provider: Provider) -> None:
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
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
        """Keep quiet."""

    def do_GET(self) -> None:
        provider = self.server.provider
        provider.other_requests += self.path != "/requests"
        counts = {
            "paid_requests": provider.paid_requests,
            "connections": provider.connections,
            "bodies": [request.body for request in provider.requests],
        }
        self._answer(Answer(200, counts))

    def do_PUT(self) -> None:
        try:
            self.server.provider.behave(self.path.removeprefix("/behaviour/"))
        except ValueError as error:
            self._answer(Answer(404, {"error": str(error)}))
        else:
            self._answer(Answer(200, {}))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != PAID_PATH:
            self.server.provider.other_requests += 1
            self._answer(Answer(404, {"error": {"message": "no such page"}}))
            return
        request = RecordedRequest(self.headers, json.loads(body))
        behaviour = self.server.provider.take_request(request)
        event = None if behaviour in STREAMS else self._find_last_event(behaviour)
        if event is not None and request.body.get("stream") and self.server.provider.streams:
            self._stream(behaviour, request.body["partial_images"], event)
        elif behaviour in STREAMS:
            getattr(self, f"_{behaviour}")()
        else:
            self._answer(self.server.provider.answers[behaviour])

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
        provider.wait_to_show(_ALL - 1)
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


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description="Stand in for OpenAI's Images API")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--behaviour", choices=BEHAVIOURS, default="png")
    arguments = parser.parse_args()
    with Provider(arguments.port) as provider:
        provider.behave(arguments.behaviour)
        print(provider.base_url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
