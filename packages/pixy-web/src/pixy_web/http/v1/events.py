"""The answer to a request for a stream: server-sent events, as OpenAI sends them.

https://html.spec.whatwg.org/multipage/server-sent-events.html has the format. A slow reader keeps
the partial images of its image in memory: at most MAX_PARTIALS.
"""

import asyncio
import base64
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pixy_core import DetailedImage, ImageRequest, PixyProxyException
from pixy_service import MAX_PARTIALS
from pixy_web.http.mounting import path_for_client
from pixy_web.http.problems import NO_STORE
from pixy_web.http.v1.answers import (
    DeliveredResponse,
    describe_images,
    encode_file,
    failure_response,
)
from pixy_web.http.v1.callers import Caller
from pixy_web.http.v1.errors import describe_error
from pixy_web.http.v1.making import Making, Outcome
from pixy_web.http.v1.requests import Wanted
from pixy_web.runtime import get_runtime

MEDIA_TYPE = "text/event-stream; charset=utf-8"
PING = b": ping\n\n"
GENERATION, EDIT = "image_generation", "image_edit"
"""Prefixes of the names of events."""


class _Partial(NamedTuple):
    number: int
    content: bytes


class _Partials:
    """Takes partial images from the thread of a generation."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._waiting: deque[_Partial] = deque(maxlen=MAX_PARTIALS)
        self.arrived = asyncio.Event()

    def put(self, content: bytes) -> None:
        """Take one; any thread may call this."""
        # the loop is closed if the server was stopped by force
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._put, content)

    def _put(self, content: bytes) -> None:
        self._waiting.append(_Partial(self._count, content))
        self._count += 1
        self.arrived.set()

    def pop_all(self) -> Iterator[_Partial]:
        """Yield those that have come since the last call, the oldest first."""
        self.arrived.clear()
        while self._waiting:
            yield self._waiting.popleft()


async def stream_response(
    request: Request,
    caller: Caller,
    wanted: Wanted,
    *,
    prefix: str = GENERATION,
) -> Response:
    """Return the stream of one image; or the error, if it fails before the provider is asked.

    Args:
        request: Its body has been read.
        caller: Who asks.
        wanted: What is asked for.
        prefix: Of the events' names.

    Raises:
        ClientDisconnect: The client has left.
    """
    partials = _Partials()
    making = Making(request, caller, wanted, partials.put)
    run = asyncio.create_task(making.run())
    started = asyncio.create_task(making.wait_until_asked())
    await asyncio.wait((run, started), return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if run.done():
        outcome = run.result()[0]
        if isinstance(outcome, PixyProxyException):
            return failure_response(request, making, outcome)
    headers = {"X-Accel-Buffering": "no", **NO_STORE}
    if making.attempts[0].guid is not None:
        headers["Location"] = path_for_client(request, f"/image/{making.attempts[0].guid}")
    events = _Events(request, making, wanted.image, prefix)
    return DeliveredResponse(making, 200, headers, MEDIA_TYPE, events.stream(run, partials))


class _Events:
    """Writes the events of one image."""

    def __init__(self, request: Request, making: Making, image: ImageRequest, prefix: str) -> None:
        self._request = request
        self._making = making
        self._image = image
        self._prefix = prefix
        self._created_at = int(time.time())

    async def stream(
        self, run: "asyncio.Task[list[Outcome]]", partials: _Partials
    ) -> AsyncIterator[bytes]:
        """Yield partial images and pings until the image is there, then the image.

        Raises:
            ClientDisconnect: The client has left.
        """
        interval = get_runtime(self._request).v1.ping_interval
        try:
            while not run.done():
                arrival = asyncio.create_task(partials.arrived.wait())
                await asyncio.wait(
                    (run, arrival), timeout=interval, return_when=asyncio.FIRST_COMPLETED
                )
                if not (arrival.done() or run.done()):
                    yield PING
                arrival.cancel()
                for partial in partials.pop_all():
                    yield self._write_partial(partial)
            # those of a run that ended before the first look
            for partial in partials.pop_all():
                yield self._write_partial(partial)
            async for piece in self._write_end(run.result()[0]):
                yield piece
        except ClientDisconnect:
            raise
        except PixyProxyException as error:
            yield self._write_error(error)
        finally:
            run.cancel()

    async def _write_end(self, outcome: Outcome) -> AsyncIterator[bytes]:
        if not isinstance(outcome, DetailedImage):
            yield self._write_error(outcome)
            return
        files = get_runtime(self._request).pools.files
        file = await files.run(self._making.open_content, outcome)
        kind = f"{self._prefix}.completed"
        described = describe_images([outcome])
        created = described.pop("created")
        members = {
            "type": kind,
            "created_at": created,
            "guid": outcome.guid,
            # the SDKs' models have them always
            "usage": None,
            "background": "auto",
            "quality": self._image.quality,
        }
        text = json.dumps(members | described).removesuffix("}")
        yield f'event: {kind}\ndata: {text}, "b64_json": "'.encode()
        async for piece in encode_file(self._request, file):
            yield piece
        yield b'"}\n\n'

    def _write_partial(self, partial: _Partial) -> bytes:
        members = {
            "partial_image_index": partial.number,
            "created_at": self._created_at,
            "size": self._image.size,
            "quality": self._image.quality,
            "background": self._image.background or "auto",
            "output_format": self._image.output_format or "png",
            "b64_json": base64.b64encode(partial.content).decode(),
        }
        return _write_event(f"{self._prefix}.partial_image", members)

    def _write_error(self, error: PixyProxyException) -> bytes:
        described = {"error": describe_error(self._request, error)}
        return f"data: {json.dumps(described)}\n\n".encode()


def _write_event(kind: str, members: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | members)}\n\n".encode()
