"""The answer to a request for images, as one JSON object, and how its delivery is noted.

An image is read and encoded in pieces, so a slow client keeps one piece in memory.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pixy_core import DetailedImage, PixyProxyException
from pixy_core.images import AUTO
from pixy_service import ContentFile
from pixy_web.http.mounting import path_for_client
from pixy_web.http.problems import NO_STORE
from pixy_web.http.v1.errors import describe_error, error_response
from pixy_web.http.v1.making import Making, Outcome
from pixy_web.runtime import get_runtime

PIECE_SIZE = 192 * 1024
"""Bytes of a file that are encoded and sent at once; three bytes become four characters."""

_OPENAI_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}


class DeliveredResponse(Response):
    """A response whose delivery is noted: after the last byte, if the client is still there.

    Args:
        making: What it delivers.
        status: The status code.
        headers: All headers but Content-Type.
        media_type: The media type.
        pieces: The body.
    """

    def __init__(
        self,
        making: Making,
        status: int,
        headers: Mapping[str, str],
        media_type: str,
        pieces: AsyncIterator[bytes],
    ) -> None:
        super().__init__(status_code=status, headers=headers, media_type=media_type)
        if "content-length" not in headers:
            del self.headers["content-length"]
        self._making = making
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - Starlette's signature
        """Answer an ASGI request.

        Raises:
            ClientDisconnect: The client has left before the end.
        """
        try:
            await self._send(send)
        except BaseException:
            await self._making.release()
            raise
        if self._making.has_left:
            await self._making.release()
            raise ClientDisconnect
        await self._making.note_delivery()

    async def _send(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            # uvicorn ignores data for a client that has left
            if self._making.has_left:
                raise ClientDisconnect
        # this waits until most of what was sent has left the process
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def images_response(
    request: Request, making: Making, outcomes: list[Outcome], *, has_url: bool
) -> Response:
    """Return the answer with the images that were made; the error if there is none.

    Args:
        request: The request.
        making: Where they come from.
        outcomes: What became of each.
        has_url: Whether the answer has URLs instead of the images themselves.

    Raises:
        ContentDamagedError: A file is missing or damaged.
    """
    made = [outcome for outcome in outcomes if isinstance(outcome, DetailedImage)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, PixyProxyException)]
    if not made:
        return failure_response(request, making, choose_failure(failed))
    members = describe_images(made)
    if failed:
        members["error"] = _tell_some_failed(request, failed, len(outcomes))
    if has_url:
        members["data"] = [{"url": _url_of(request, each), "guid": each.guid} for each in made]
        return _respond(making, request, made, [json.dumps(members).encode()], ())
    files = get_runtime(request).pools.files
    with ExitStack() as opened:
        contents = [
            opened.enter_context(await files.run(making.open_content, each)) for each in made
        ]
        opened.pop_all()
    return _respond(making, request, made, _frame(members, made), contents)


def failure_response(request: Request, making: Making, error: Exception) -> Response:
    """Return the answer to an error after which attempts may hold creations."""
    plain = error_response(request, error, {})
    headers = dict(plain.headers)
    headers.pop("content-type")
    return DeliveredResponse(
        making, plain.status_code, headers, "application/json", _yield_all(bytes(plain.body))
    )


def choose_failure(failed: list[PixyProxyException]) -> PixyProxyException:
    """Return the error that tells most: first what may have been paid for."""
    billed = [each for each in failed if getattr(each, "billed", "no") != "no"]
    return (billed or failed)[0]


def describe_images(made: list[DetailedImage]) -> dict[str, Any]:
    """Return the members of an answer that say how the images were made."""
    first = made[0]
    purchase = first.purchase
    reported = {} if purchase is None else purchase.reported
    described = {
        "created": int(first.created_at.timestamp()),
        "background": reported.get("background"),
        "output_format": _OPENAI_FORMATS.get(first.media_type or ""),
        "quality": reported.get("quality")
        or (None if purchase is None or purchase.quality == AUTO else purchase.quality),
        "size": f"{first.width}x{first.height}",
        "usage": _add_usages(
            [each.purchase.usage for each in made if each.purchase and each.purchase.usage]
        ),
    }
    return {name: value for name, value in described.items() if value is not None}


async def encode_file(request: Request, file: ContentFile) -> AsyncIterator[bytes]:
    """Yield a file in base64, in pieces; it is closed at the end."""
    files = get_runtime(request).pools.files
    with file:
        for start in range(0, file.size, PIECE_SIZE):
            stop = min(start + PIECE_SIZE, file.size)
            yield base64.b64encode(await files.run(file.read, start, stop))


def _respond(
    making: Making,
    request: Request,
    made: list[DetailedImage],
    frame: list[bytes],
    contents: Sequence[ContentFile],
) -> Response:
    length = sum(map(len, frame)) + sum(base64_length(file.size) for file in contents)
    headers = {
        "Location": path_for_client(request, f"/image/{made[0].guid}"),
        "Content-Length": str(length),
        # a proxy that took the whole answer would hide that the client has left
        "X-Accel-Buffering": "no",
        **NO_STORE,
    }
    pieces = _interleave(request, frame, contents)
    return DeliveredResponse(making, 200, headers, "application/json", pieces)


async def _interleave(
    request: Request, frame: list[bytes], contents: Sequence[ContentFile]
) -> AsyncIterator[bytes]:
    """Yield the parts of a frame, and each file between two of them."""
    with ExitStack() as opened:
        for file in contents:
            opened.enter_context(file)
        for part, file in zip(frame, contents, strict=False):
            yield part
            async for piece in encode_file(request, file):
                yield piece
        yield frame[-1]


def _frame(members: dict[str, Any], made: list[DetailedImage]) -> list[bytes]:
    """Return the JSON before, between and after the images in base64."""
    data = ", ".join(f'{{"b64_json": "\0", "guid": "{each.guid}"}}' for each in made)
    body = json.dumps(members).removesuffix("}") + f', "data": [{data}]}}'
    return body.encode().split(b"\0")


def base64_length(size: int) -> int:
    """Return the characters of so many bytes in base64."""
    return 4 * -(-size // 3)


async def _yield_all(content: bytes) -> AsyncIterator[bytes]:
    yield content
    await asyncio.sleep(0)


def _tell_some_failed(
    request: Request, failed: list[PixyProxyException], count: int
) -> dict[str, object]:
    described = describe_error(request, choose_failure(failed))
    told = f"{len(failed)} of {count} images could not be made: {described['message']}"
    return described | {"message": told, "failed": len(failed)}


def _url_of(request: Request, image: DetailedImage) -> str:
    path = path_for_client(request, f"/image/{image.guid}/content")
    return f"{request.url.scheme}://{request.headers.get('host', '')}{path}"


def _add_usages(usages: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the usage of one image as it is; of several, the sums of their numbers."""
    if not usages:
        return None
    total = usages[0]
    for usage in usages[1:]:
        total = _add(total, usage)
    return total


def _add(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    total = one | other
    for name in one.keys() & other.keys():
        left, right = one[name], other[name]
        if isinstance(left, dict) and isinstance(right, dict):
            total[name] = _add(left, right)
        elif isinstance(left, int | float) and isinstance(right, int | float):
            total[name] = left + right
    return total
