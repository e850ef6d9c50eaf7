"""Creations over HTTP: pending, failed and unknown.

An image that is there is answered by responses.py.
"""

from urllib.parse import urlencode

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from pixy_core import Creation, CreationStatus, Image, InvalidInputError
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
    """Return a request's idempotency key, unchecked.

    Raises:
        InvalidInputError: There are two.
    """
    keys = request.headers.getlist(IDEMPOTENCY_KEY)
    if len(keys) > 1:
        raise InvalidInputError((((IDEMPOTENCY_KEY,), "must be given once"),))
    return keys[0] if keys else None


def created_response(request: Request, created: Created, preference: Preference) -> Response:
    """Return what a POST made: 201 with the image, or 202 with the creation that goes on."""
    if isinstance(created.image, Image):
        response = image_response(created.image, 201)
    else:
        response = details_response(request, created.image)
        response.status_code = 202
    response.headers["Location"] = path_for_client(request, f"/image/{created.image.guid}")
    response.headers.update(preference.applied(response.status_code))
    response.headers.update(REPLAYED if created.is_replay else {})
    return response


def details_response(
    request: Request, details: Image | Creation, has_preview: bool = False
) -> Response:
    """Return an image's details, or a creation's.

    A pending one comes with when to ask again, and with where there is something to see.
    """
    if isinstance(details, Image):
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
        request: Whose path says where the next page is.
        page: The creations.
        status: Theirs.
        limit: How many the page may hold.
    """
    link = {}
    if page.next_cursor is not None:
        query = urlencode({"status": status.value, "limit": limit, "cursor": page.next_cursor})
        link = {"Link": f'<{path_for_client(request, "/image")}?{query}>; rel="next"'}
    body = _creations.dump_json(page.creations, exclude_none=True)
    return Response(body, headers=link | NO_STORE, media_type=JSON)
