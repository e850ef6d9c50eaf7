"""Partial images over HTTP: previews of an image that is being made.

Only the owner can see them, so no response may be cached.
"""

import asyncio
import hashlib
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from pixy_core import Creation, Image
from pixy_service import PartialImage, PrivateImageService
from pixy_web.http.content import PRIVATE_CACHING, SAFETY, has_tag
from pixy_web.http.mounting import path_for_client
from pixy_web.http.problems import NO_STORE
from pixy_web.threads.threads import Threads, ThreadsBusyError

_PATIENCE = 3.0
"""Seconds that details wait for a disk or a bucket that may have a partial image."""


class Preview(NamedTuple):
    """A preview, or the finished image.

    Attributes:
        picture: The latest partial image, or the finished image; None if there is neither.
        tag: The entity tag of a partial image.
    """

    picture: PartialImage | Image | None
    tag: str = ""


async def has_preview(files: Threads, service: PrivateImageService, details: Creation) -> bool:
    """Return whether a creation has a partial image; False if that can't be told soon.

    Args:
        files: The threads that read files.
        service: The caller's.
        details: The creation.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            return await files.run(service.partials.has, details)
    except (TimeoutError, ThreadsBusyError):
        return False


def load_preview(service: PrivateImageService, guid: str) -> Preview:
    """Return the preview of a creation.

    Raises:
        RecordNotFoundError: There is no such image or creation for this caller.
    """
    picture = service.partials.find(guid)
    if picture is None or isinstance(picture, Image):
        return Preview(picture)
    return Preview(picture, f'"{hashlib.sha256(picture.content).hexdigest()}"')


def preview_response(request: Request, preview: Preview) -> Response:
    """Return the partial image, 304 if the client has it, 204 without one, or 303 to the image."""
    picture = preview.picture
    if picture is None:
        return Response(status_code=204, headers=NO_STORE)
    if isinstance(picture, Image):
        return finished_response(request, picture)
    headers = {"ETag": preview.tag, **PRIVATE_CACHING, **SAFETY}
    if has_tag(request.headers.get("if-none-match", ""), preview.tag):
        return Response(status_code=304, headers=headers)
    return Response(picture.content, 200, headers, picture.media_type)


def finished_response(request: Request, image: Image) -> Response:
    """Return a redirect to the finished image."""
    path = path_for_client(request, f"/image/{image.guid}/content")
    return Response(status_code=303, headers={"Location": path} | NO_STORE)


def preview_link(request: Request, guid: str) -> dict[str, str]:
    """Return the `Link` header to a preview (RFC 8288, with the relation of RFC 6903)."""
    path = path_for_client(request, f"/image/{guid}/preview")
    return {"Link": f'<{path}>; rel="preview"'}
