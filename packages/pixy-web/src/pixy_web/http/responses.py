"""Answers about images: their details, and the array or page of them, as JSON."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlencode

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pixy_core import Image
from pixy_service import ImagePage
from pixy_web.http.mounting import path_for_client
from pixy_web.http.paging import Paging
from pixy_web.http.problems import NO_STORE

JSON = "application/json"
STREAM_PAGE_SIZE = 200
"""Images fetched at once while all of them are streamed."""

_one_image = TypeAdapter(Image)
_images = TypeAdapter(list[Image])


_HEADERS = [
    (b"content-type", JSON.encode()),
    *((name.lower().encode(), value.encode()) for name, value in NO_STORE.items()),
]


class _PrivateJson(Response):
    """JSON for its reader alone, with headers that are encoded once for all answers."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set the headers; there are no others."""
        del headers
        self.raw_headers = [*_HEADERS, (b"content-length", b"%d" % len(self.body))]


ListImages = Callable[[int, str | None], Coroutine[Any, Any, ImagePage]]
"""Fetches a page: at most so many images that follow a cursor."""


def image_response(image: Image, status: int = 200) -> Response:
    """Return the details of an image."""
    return _PrivateJson(_one_image.dump_json(image), status)


async def images_response(request: Request, list_images: ListImages, paging: Paging) -> Response:
    """Return a page of images, or all of them as one streamed array.

    Args:
        request: Whose method says if a body is wanted, and whose path where the next page is.
        list_images: Where pages come from.
        paging: Which images; without a limit all that follow the cursor are streamed.

    Raises:
        PixyProxyException: Whatever the first page raises; nothing is sent before it is there.
    """
    page = await list_images(paging.limit or STREAM_PAGE_SIZE, paging.cursor)
    if paging.limit is None:
        if request.method == "HEAD":
            response = Response(headers=NO_STORE, media_type=JSON)
            # RFC 9110, section 8.6: it would be the length of the array, which nobody knows yet
            del response.headers["Content-Length"]
            return response
        return StreamingResponse(_stream_array(page, list_images), 200, NO_STORE, JSON)
    link = {}
    if page.next_cursor is not None:
        query = urlencode({"limit": paging.limit, **paging.narrowing, "cursor": page.next_cursor})
        # relative (RFC 8288, section 3.1), so nothing relies on the client's Host header
        link = {"Link": f'<{path_for_client(request, "/image")}?{query}>; rel="next"'}
    return Response(_images.dump_json(page.images), headers=link | NO_STORE, media_type=JSON)


async def _stream_array(page: ImagePage, list_images: ListImages) -> AsyncIterator[bytes]:
    opening = b"["
    while page.images:
        # fetched while this one is written and sent
        following = _fetch_after(page, list_images)
        try:
            # a turn of the loop, in which that begins
            await asyncio.sleep(0)
            yield opening + _images.dump_json(page.images)[1:-1]
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
    # a client that leaves takes no notice of a page that has failed by then
    task.add_done_callback(_retrieve_failure)
    return task


def _retrieve_failure(task: asyncio.Task[ImagePage]) -> None:
    if not task.cancelled():
        task.exception()
