"""A stand-in for OpenAI's Images API: a real HTTP server whose behaviour a test chooses.

In a test: `with Provider() as provider: provider.behave("drip")`. As a process of its own:
`python tests/support/provider.py --port 9100 --behaviour png`, then `PUT /behaviour/NAME`,
`PUT /models/NAME` and `PUT /latency/SECONDS` change its behaviour, and `GET /requests` counts the
requests. The answers are in provider_answers.py, the streams in provider_events.py, the models in
provider_models.py.
"""

import argparse
import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

from provider_answers import ANSWERS as USUAL_ANSWERS
from provider_answers import USAGE_ANSWERS, Answer
from provider_events import EVENTS
from provider_models import LISTS
from provider_oddities import ODD_ANSWERS
from provider_requests import RecordedRequest
from provider_server import ALL, STREAMS, ProviderServer

REFUSALS = (400, 401, 403, 404, 409, 422, 429, 503)
"""Statuses that are not charged."""
ANSWERS = USUAL_ANSWERS | ODD_ANSWERS
BEHAVIOURS = (*ANSWERS, *STREAMS)
"""The arguments of `behave`; also USAGE_ANSWERS, and EVENTS, which only streamed requests get."""


class Provider:
    """The server, in a thread of the test process, on the loopback address.

    Args:
        port: The port; 0 for a free one.

    Attributes:
        purchases: The prompts of the paid requests, which are those that were not refused.
        answers: The answer for each behaviour that consists of one answer.
        latency: Returns the seconds that a paid request takes.
        most_at_once: The greatest number of paid requests that it has worked on at the same time.
        streams: True if it streams on request, as OpenAI does; some other services don't.
        stream_type: The media type of a stream.
        models: Its answer about its models.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[RecordedRequest] = []
        self.purchases: list[str] = []
        self.connections = 0
        self.other_requests = 0
        self.model_requests = 0
        self.most_at_once = 0
        self._at_once = 0
        self.models = LISTS["dated"]
        self.stopping = threading.Event()
        self.latency: Callable[[], float] = lambda: 0.0
        self.streams = True
        self.stream_type = "text/event-stream; charset=utf-8"
        self.answers = ANSWERS | USAGE_ANSWERS
        self._behaviours = ["png"]
        self._arrived = threading.Condition()
        self._free = threading.Event()
        self._free.set()
        self._shown = ALL
        self._shows = threading.Condition()
        self._server = ProviderServer(port, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def base_url(self) -> str:
        """The URL to give the SDK."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def paid_requests(self) -> int:
        """Number of requests that a real provider would have charged for."""
        return len(self.requests)

    def behave(self, *behaviours: str) -> None:
        """Set the behaviours of the next requests; the last one stays.

        Args:
            behaviours: Some of BEHAVIOURS and EVENTS.

        Raises:
            ValueError: There is no such behaviour.
        """
        known = (*self.answers, *STREAMS, *EVENTS)
        if not behaviours or not set(behaviours) <= set(known):
            raise ValueError(f"choose from {', '.join(known)}")
        self._behaviours = list(behaviours)

    def list_models(self, name: str) -> None:
        """Answer so about the models from the next request on.

        Args:
            name: One of provider_models.LISTS.

        Raises:
            ValueError: There is no such list.
        """
        if name not in LISTS:
            raise ValueError(f"choose from {', '.join(LISTS)}")
        self.models = LISTS[name]

    def change(self, setting: str, value: str) -> None:
        """Change what it does: "behaviour", "models", or the "latency" in seconds.

        Raises:
            ValueError: There is no such setting or value.
        """
        if setting == "behaviour":
            self.behave(value)
        elif setting == "models":
            self.list_models(value)
        elif setting == "latency":
            seconds = float(value)
            self.latency = lambda: seconds
        else:
            raise ValueError("choose from behaviour, models, latency")

    def describe_requests(self) -> dict[str, Any]:
        """Return what it was asked, as JSON has a form for it."""
        return {
            "paid_requests": self.paid_requests,
            "model_requests": self.model_requests,
            "connections": self.connections,
            "bodies": [request.body for request in self.requests],
            "parts": [[part.describe() for part in r.parts] for r in self.requests],
        }

    def answer_with(self, content: bytes) -> None:
        """Answer with this image file from the next request on."""
        picture = {"b64_json": base64.b64encode(content).decode()}
        self.answers["file"] = Answer(200, {"created": 1, "data": [picture]})
        self.behave("file")

    def wait_for_requests(self, count: int) -> None:
        """Wait until this number of paid requests has arrived in all.

        Raises:
            TimeoutError: They did not arrive within 30 seconds.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: self.paid_requests >= count, 30):
                raise TimeoutError

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Hold all answers until this block is left; requests are still recorded."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    @contextmanager
    def unfinished(self, partials: int = 3) -> Iterator[None]:
        """Stream at most this number of partial images until this block is left."""
        self.show(partials)
        try:
            yield
        finally:
            self.finish()

    def show(self, partials: int) -> None:
        """Stream this number of partial images of each answer."""
        with self._shows:
            self._shown = partials
            self._shows.notify_all()

    def finish(self) -> None:
        """Stream everything."""
        self.show(ALL)

    def wait_to_show(self, number: int) -> None:
        """Wait until the event of this number, from 0, may be sent."""
        with self._shows:
            self._shows.wait_for(lambda: number < self._shown)

    def release(self) -> None:
        """Answer the requests that `holding` holds, and all later ones."""
        self._free.set()

    def start(self) -> Self:
        """Start to listen."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every exchange, and wait until the port is free."""
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
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._arrived.notify_all()
            is_last = len(self._behaviours) == 1
            behaviour = self._behaviours[0] if is_last else self._behaviours.pop(0)
            if behaviour not in self.answers or self.answers[behaviour].status not in REFUSALS:
                self.purchases.append(request.body["prompt"])
        self._free.wait()
        self.stopping.wait(self.latency())
        with self._arrived:
            self._at_once -= 1
        return behaviour


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description="Stand in for OpenAI's Images API")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--behaviour", choices=(*BEHAVIOURS, *USAGE_ANSWERS), default="png")
    arguments = parser.parse_args()
    with Provider(arguments.port) as provider:
        provider.behave(arguments.behaviour)
        print(provider.base_url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
