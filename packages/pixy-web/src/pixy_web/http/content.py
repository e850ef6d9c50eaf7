"""An image's file over HTTP: conditional requests, single ranges and caching headers.

RFC 9110, sections 13 (conditional requests) and 14 (ranges). An image never changes, so its hash is
its strong entity tag, and its creation date is its modification date.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pixy_core import Image
from pixy_service import PrivateImageService, PublicImageService
from pixy_web.http.file_response import FileResponse
from pixy_web.http.problems import NO_STORE
from pixy_web.runtime import PrivateImages, PublicImages, get_runtime

Service = PublicImageService | PrivateImageService

PRIVATE_CACHING = NO_STORE

SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "sandbox",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
_LEFT_TO_US = ("range", "if-match", "if-unmodified-since")
"""Header fields that nginx handles differently from this module."""

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


async def content_response(
    request: Request,
    images: PublicImages | PrivateImages,
    guid: str,
    caching: Mapping[str, str],
) -> Response:
    """Return the bytes of an image, the requested range, or 304.

    Raises:
        RecordNotFoundError: There is no such image for this caller.
        ContentDamagedError: Its file is missing or damaged.
        HTTPException: 416, the file has no such range.
    """
    service, image = await images.get_image(guid)
    headers = {"ETag": entity_tag(image), **caching, **SAFETY}
    if is_unchanged(image, request.headers):
        # RFC 9110, section 15.4.5: without the headers that the client's copy has
        return Response(status_code=304, headers=headers)
    headers["Last-Modified"] = format_datetime(image.created_at, usegmt=True)
    headers["Accept-Ranges"] = "bytes"
    status, part = 200, range(image.size or 0)
    # RFC 9110, section 14.2: ranges are defined for GET only
    wanted = _wanted_range(request.headers, image, len(part)) if request.method == "GET" else None
    if wanted is not None:
        status, part = 206, range(*wanted)
        if not part:
            raise HTTPException(
                416, "The file has no such range", {"Content-Range": f"bytes */{image.size}"}
            )
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{image.size}"
    return await _send_file(request, service, image, (status, part, headers))


async def _send_file(
    request: Request, service: Service, image: Image, answer: tuple[int, range, dict[str, str]]
) -> Response:
    status, part, headers = answer
    runtime = get_runtime(request)
    prefix = runtime.accel_redirect if _is_plain_get(request) else None
    is_body_wanted = request.method == "GET" and prefix is None
    files = runtime.pools.files
    file, content = await files.run(
        service.open_content, image, part if is_body_wanted else range(0)
    )
    if prefix is not None:
        file.close()
        del headers["Accept-Ranges"]  # nginx adds its own
        headers["X-Accel-Redirect"] = f"{prefix}{image.filename[:2]}/{image.filename}"
        return Response(b"", 200, headers, image.media_type)
    return FileResponse(
        file,
        part,
        content,
        status=status,
        headers=headers,
        media_type=image.media_type,
        reads=files,
    )


def _is_plain_get(request: Request) -> bool:
    """Return whether nginx answers a request in the same way as this module."""
    return request.method == "GET" and not any(name in request.headers for name in _LEFT_TO_US)


def public_caching(request: Request) -> dict[str, str]:
    """Return the headers that let every cache keep a public image for PIXY_PUBLIC_MAX_AGE."""
    return {
        "Cache-Control": f"public, max-age={get_runtime(request).public_max_age}",
        "Vary": "Authorization",
        # pages of other sites may embed it
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def entity_tag(image: Image) -> str:
    """Return the strong entity tag of an image's file."""
    return f'"{image.sha256}"'


def is_unchanged(image: Image, headers: Mapping[str, str]) -> bool:
    """Return whether the client's copy is up to date (RFC 9110, section 13.2.2)."""
    tags = headers.get("if-none-match")
    if tags is not None:
        return has_tag(tags, entity_tag(image))
    since = _parse_date(headers.get("if-modified-since"))
    return since is not None and image.created_at.replace(microsecond=0) <= since


def has_tag(tags: str, tag: str) -> bool:
    """Return whether the value of `If-None-Match` contains an entity tag, or is `*`."""
    return tags.strip() == "*" or tag in _ENTITY_TAG.findall(tags)


def _wanted_range(headers: Mapping[str, str], image: Image, size: int) -> tuple[int, int] | None:
    """Return the start and the stop of the requested range; None for the whole file.

    The start is not before the stop if the file has no byte of the range. Malformed and multiple
    ranges are ignored, as RFC 9110, section 14.2 allows.
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or match.group(1) == match.group(2) == "":
        return None
    condition = headers.get("if-range")
    if condition is not None and condition != entity_tag(image):
        return None
    first, last = match.groups()
    if len(first) > 18 or len(last) > 18:
        return None
    if not first:
        return max(size - int(last), 0), size if int(last) else 0
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size


def _parse_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):  # no date, or a year that datetime does not support
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
