"""The public router: what a request without credentials may read.

It comes before the private router, and leaves it every request with credentials.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from pixy_core import CreationStatus, InvalidInputError
from pixy_service import MAX_PAGE_SIZE, CreationPage, ImagePage
from pixy_web.api.direct_route import DirectRoute
from pixy_web.http.content import content_response, public_caching
from pixy_web.http.creations import creations_response
from pixy_web.http.paging import read_paging
from pixy_web.http.partial_images import finished_response
from pixy_web.http.responses import image_response, images_response
from pixy_web.http.thumbnails import read_width, thumbnail_response
from pixy_web.runtime import PublicImages, get_runtime, read_guid
from pixy_web.server.request_log import LOGGED


class PublicRoute(DirectRoute):
    """A route that matches only requests without an `Authorization` header."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Decline what the private router is to answer."""
        if _has_credentials(scope):
            return Match.NONE, {}
        return super().matches(scope)


def _has_credentials(scope: Scope) -> bool:
    # each route of the router asks the same
    known: bool | None = scope.get("pixy.has_credentials")
    if known is None:
        known = any(name == b"authorization" for name, _ in scope["headers"])
        scope["pixy.has_credentials"] = known
    return known


# OpenAPI keeps one operation for each path and method: the private router describes both
router = APIRouter(route_class=PublicRoute, dependencies=LOGGED, include_in_schema=False)

READ = ["GET", "HEAD"]


# in the order of how often they are asked for: each is tried until one matches


@router.api_route("/image/{guid}", methods=READ)
async def get_public_image(request: Request) -> Response:
    """Answer with the details of a public image."""
    _, image = await PublicImages(get_runtime(request)).find_image(read_guid(request))
    return image_response(image)


@router.api_route("/image/{guid}/content", methods=READ)
async def get_public_content(request: Request) -> Response:
    """Answer with the file of a public image, or with a smaller picture."""
    guid = read_guid(request)
    images = PublicImages(get_runtime(request))
    if (width := read_width(request)) is not None:
        return await thumbnail_response(request, images, guid, width, public_caching(request))
    return await content_response(request, images, guid, public_caching(request))


@router.api_route("/image/{guid}/preview", methods=READ)
async def get_public_preview(request: Request) -> Response:
    """Answer where a public image is: what is being made is shown to its owner only."""
    _, image = await PublicImages(get_runtime(request)).find_image(read_guid(request))
    return finished_response(request, image)


@router.api_route("/image", methods=READ)
async def list_public_images(request: Request) -> Response:
    """Answer with the public images, newest first; strangers have no creations."""
    paging = read_paging(request)
    if paging.status != CreationStatus.READY:
        if paging.cursor is not None:
            raise InvalidInputError(((("cursor",), "must be one that this list gave out"),))
        nothing = CreationPage([], None)
        return creations_response(request, nothing, paging.status, MAX_PAGE_SIZE)
    images = PublicImages(get_runtime(request))

    async def list_images(limit: int, cursor: str | None) -> ImagePage:
        return await images.call(
            lambda service: service.list_images(limit, cursor, paging.match),
            is_search=paging.match is not None,
        )

    return await images_response(request, list_images, paging)
