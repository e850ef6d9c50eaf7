"""Responses with the details of images, as JSON: one, a page, or all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlencode

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pixy_core import DetailedImage, Image
from pixy_service import ImagePage
from pixy_web.http.mounting import path_for_client
from pixy_web.http.paging import Paging
from pixy_web.http.problems import NO_STORE

JSON = "application/json"
_EXTRAS = ("purchase", "sources")
"""Members that are left out where nothing is known, or nothing may be."""

STREAM_PAGE_SIZE = 200
"""Images that are fetched at once when all are streamed."""

PIECE_LENGTH = 256 * 1024
"""Bytes of a streamed list that are sent at once."""

_one_image = TypeAdapter(DetailedImage)
_images = TypeAdapter(list[Image])


_HEADERS = [
    (b"content-type", JSON.encode()),
    *((name.lower().encode(), value.encode()) for name, value in NO_STORE.items()),
]


class _PrivateJson(Response):
    """A JSON response that no cache may store; its headers are encoded once for all responses."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set these headers only."""
        del headers
        self.raw_headers = [*_HEADERS, (b"content-length", b"%d" % len(self.body))]


ListImages = Callable[[int, str | None], Coroutine[Any, Any, ImagePage]]
"""Fetches a page: at most this many images, after this cursor."""


def image_response(image: DetailedImage, status: int = 200) -> Response:
    """Return the details of an image."""
    return _PrivateJson(_one_image.dump_json(image), status)


async def images_response(
    request: Request, list_images: ListImages, paging: Paging, path: str = "/image"
) -> Response:
    """Return a page of images, or all of them as one streamed array.

    Args:
        request: The request.
        list_images: Fetches a page.
        paging: The images; without a limit, all after the cursor are streamed.
        path: Of the list, for the `Link` to the next page.

    Raises:
        PixyProxyException: Whatever fetching the first page raises; nothing is sent before.
    """
    page = await list_images(paging.limit or STREAM_PAGE_SIZE, paging.cursor)
    if paging.limit is None:
        if request.method == "HEAD":
            response = Response(headers=NO_STORE, media_type=JSON)
            # RFC 9110, section 8.6: it would be the length of the array, which is not known yet
            del response.headers["Content-Length"]
            return response
        return StreamingResponse(_stream_array(page, list_images), 200, NO_STORE, JSON)
    link = {}
    if page.next_cursor is not None:
        query = urlencode({"limit": paging.limit, **paging.narrowing, "cursor": page.next_cursor})
        # relative (RFC 8288, section 3.1), so nothing relies on the client's Host header
        link = {"Link": f'<{path_for_client(request, path)}?{query}>; rel="next"'}
    return Response(_images.dump_json(page.images), headers=link | NO_STORE, media_type=JSON)


async def _stream_array(page: ImagePage, list_images: ListImages) -> AsyncIterator[bytes]:
    opening = b"["
    while page.images:
        # fetched while the current page is written and sent
        following = _fetch_after(page, list_images)
        try:
            # let the event loop start it
            await asyncio.sleep(0)
            part = opening + _images.dump_json(page.images)[1:-1]
            # a page of the longest prompts has megabytes, and a slow client takes long to read it
            page = ImagePage([], None)
            for start in range(0, len(part), PIECE_LENGTH):
                yield part[start : start + PIECE_LENGTH]
            opening = b","
            if following is None:
                break
            page = await following
        finally:
            if following is not None:
                following.cancel()
    yield b"[]" if opening == b"[" else b"]"


def _fetch_after(page: ImagePage, list_images: ListImages) -> asyncio.Task[ImagePage] | None:
    if page.next_cursor is None:
        return None
    task = asyncio.create_task(list_images(STREAM_PAGE_SIZE, page.next_cursor))
    # if the client has left, nobody awaits a page that failed
    task.add_done_callback(_retrieve_failure)
    return task


def _retrieve_failure(task: asyncio.Task[ImagePage]) -> None:
    if not task.cancelled():
        task.exception()
