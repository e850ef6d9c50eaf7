"""Thumbnails over HTTP: the requested width and format, and the response.

Caching is as for the file itself, see `content.py`.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from pixy_core import Image, InvalidInputError
from pixy_service import THUMBNAIL_TYPES, THUMBNAIL_WIDTHS
from pixy_web.http.content import SAFETY, Service, has_tag
from pixy_web.runtime import PrivateImages, PublicImages, get_runtime

_WIDTHS = {str(width): width for width in THUMBNAIL_WIDTHS}
_VARY = {"Vary": "Authorization, Accept"}
# RFC 9110, section 12.5.1: a media type, parameters, and an optional weight
_AVIF = re.compile(r"image/avif\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?", re.IGNORECASE)


class _Thumbnail(NamedTuple):
    content: bytes
    tag: str


def read_width(request: Request) -> int | None:
    """Return the width that the query asks for; None for the file itself.

    Raises:
        InvalidInputError: It is not one of THUMBNAIL_WIDTHS, or given twice.
    """
    if not request.scope["query_string"]:
        return None
    given = request.query_params.getlist("width")
    if not given:
        return None
    if len(given) > 1:
        raise InvalidInputError(((("width",), "must be given once"),))
    if given[0] not in _WIDTHS:
        raise InvalidInputError(((("width",), f"must be one of {', '.join(_WIDTHS)}"),))
    return _WIDTHS[given[0]]


def choose_type(accept: str) -> str:
    """Return the media type of a thumbnail: AVIF if the header names it, otherwise WebP.

    Args:
        accept: The `Accept` header; browsers that support AVIF name it.
    """
    for choice in accept.split(","):
        match = _AVIF.fullmatch(choice.strip())
        if match is not None and float(match.group(1) or 1) > 0:
            return THUMBNAIL_TYPES[0]
    return THUMBNAIL_TYPES[-1]


async def thumbnail_response(
    request: Request,
    images: PublicImages | PrivateImages,
    guid: str,
    width: int,
    caching: Mapping[str, str],
) -> Response:
    """Return a thumbnail, or 304 if the client has it.

    Raises:
        RecordNotFoundError: There is no such image for this caller.
        ContentDamagedError: The original is missing or damaged.
        ThumbnailsBusyError: It must be made, and the queue is full or the wait was too long.
    """
    media_type = choose_type(request.headers.get("accept", ""))
    runtime = get_runtime(request)
    service, image = await images.get_image(guid)
    wanted = image, width, media_type
    thumbnail = await runtime.pools.files.run(_find, service, *wanted)
    if thumbnail is None:
        make = partial(runtime.pools.thumbnails.run, _make, service, *wanted)
        # every caller has passed the visibility check above
        thumbnail = await runtime.flights.run((guid, width, media_type), make)
    headers = {"ETag": thumbnail.tag, **caching, **_VARY, **SAFETY}
    if has_tag(request.headers.get("if-none-match", ""), thumbnail.tag):
        return Response(status_code=304, headers=headers)
    return Response(thumbnail.content, 200, headers, media_type)


def _find(service: Service, image: Image, width: int, media_type: str) -> _Thumbnail | None:
    content = service.find_thumbnail(image, width, media_type)
    return None if content is None else _tagged(content)


def _make(service: Service, image: Image, width: int, media_type: str) -> _Thumbnail:
    return _tagged(service.make_thumbnail(image, width, media_type))


def _tagged(content: bytes) -> _Thumbnail:
    # hash the thumbnail, not the original: another encoder version produces other bytes
    return _Thumbnail(content, f'"{hashlib.sha256(content).hexdigest()}"')
