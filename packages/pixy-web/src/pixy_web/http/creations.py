"""Responses with creations: pending, failed and unknown. For finished images see responses.py."""

from urllib.parse import urlencode

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from pixy_core import Creation, CreationStatus, DetailedImage, InvalidInputError
from pixy_service import Created, CreationPage
from pixy_web.http.error_handler import RETRY_PENDING
from pixy_web.http.mounting import path_for_client
from pixy_web.http.partial_images import preview_link
from pixy_web.http.prefer import Preference
from pixy_web.http.problems import NO_STORE
from pixy_web.http.responses import JSON, image_response

IDEMPOTENCY_KEY = "Idempotency-Key"
REPLAYED = {"Idempotent-Replayed": "true"}

_creations = TypeAdapter(list[Creation])


def read_idempotency_key(request: Request) -> str | None:
    """Return a request's idempotency key; the service validates it.

    Raises:
        InvalidInputError: The request has several.
    """
    keys = request.headers.getlist(IDEMPOTENCY_KEY)
    if len(keys) > 1:
        raise InvalidInputError((((IDEMPOTENCY_KEY,), "must be given once"),))
    return keys[0] if keys else None


def created_response(request: Request, created: Created, preference: Preference) -> Response:
    """Return the response to a POST: 201 with the image, or 202 with the pending creation."""
    if isinstance(created.image, DetailedImage):
        response = image_response(created.image, 201)
    else:
        response = details_response(request, created.image)
        response.status_code = 202
    response.headers["Location"] = path_for_client(request, f"/image/{created.image.guid}")
    response.headers.update(preference.applied(response.status_code))
    response.headers.update(REPLAYED if created.is_replay else {})
    return response


def details_response(
    request: Request, details: DetailedImage | Creation, has_preview: bool = False
) -> Response:
    """Return the details of an image or a creation.

    For a pending creation, add `Retry-After`, and a link to its partial image if there is one.
    """
    if isinstance(details, DetailedImage):
        return image_response(details)
    headers = RETRY_PENDING if details.status == CreationStatus.PENDING else {}
    headers = headers | (preview_link(request, details.guid) if has_preview else {})
    body = details.model_dump_json(exclude_none=True)
    return Response(body, headers=headers | NO_STORE, media_type=JSON)


def creations_response(
    request: Request, page: CreationPage, status: CreationStatus, limit: int
) -> Response:
    """Return a page of creations.

    Args:
        request: Used for the path of the next page.
        page: The creations.
        status: The status of these creations.
        limit: Maximum number of creations in a page.
    """
    link = {}
    if page.next_cursor is not None:
        query = urlencode({"status": status.value, "limit": limit, "cursor": page.next_cursor})
        link = {"Link": f'<{path_for_client(request, "/image")}?{query}>; rel="next"'}
    body = _creations.dump_json(page.creations, exclude_none=True)
    return Response(body, headers=link | NO_STORE, media_type=JSON)
