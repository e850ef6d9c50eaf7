"""The public router: reads without credentials.

It comes before the private router, and matches no request with credentials.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pixy_core import CreationStatus, InvalidInputError
from pixy_service import MAX_PAGE_SIZE, CreationPage, ImagePage, validate_guid
from pixy_web.api.direct_route import PublicRoute
from pixy_web.http.content import content_response, public_caching
from pixy_web.http.creations import creations_response
from pixy_web.http.paging import read_page, read_paging
from pixy_web.http.partial_images import finished_response
from pixy_web.http.responses import image_response, images_response
from pixy_web.http.thumbnails import read_width, thumbnail_response
from pixy_web.runtime import PublicImages, add_details, get_runtime, read_guid
from pixy_web.server.request_log import LOGGED

# OpenAPI keeps one operation for each path and method: the private router documents both
router = APIRouter(route_class=PublicRoute, dependencies=LOGGED, include_in_schema=False)

READ = ["GET", "HEAD"]


# the most frequent first: routes are tried in order


@router.api_route("/image/{guid:guid}", methods=READ)
async def get_public_image(request: Request) -> Response:
    """Return the details of a public image."""
    runtime = get_runtime(request)
    service, image = await PublicImages(runtime).get_image(read_guid(request))
    return image_response(await add_details(runtime, service, image))


@router.api_route("/image/{guid}/content", methods=READ)
async def get_public_content(request: Request) -> Response:
    """Return the file of a public image, or a thumbnail."""
    guid = read_guid(request)
    images = PublicImages(get_runtime(request))
    if (width := read_width(request)) is not None:
        return await thumbnail_response(request, images, guid, width, public_caching(request))
    return await content_response(request, images, guid, public_caching(request))


@router.api_route("/image/{guid}/preview", methods=READ)
async def get_public_preview(request: Request) -> Response:
    """Return where the public image is: only its owner sees partial images."""
    _, image = await PublicImages(get_runtime(request)).get_image(read_guid(request))
    return finished_response(request, image)


@router.api_route("/image/{guid}/derived", methods=READ)
async def list_public_derived(request: Request) -> Response:
    """Return the public images that were made from a public image, newest first."""
    guid, images = validate_guid(read_guid(request)), PublicImages(get_runtime(request))

    async def list_page(limit: int, cursor: str | None) -> ImagePage:
        return await images.call(lambda service: service.list_derived(guid, limit, cursor))

    return await images_response(request, list_page, read_page(request), f"/image/{guid}/derived")


@router.api_route("/image", methods=READ)
async def list_public_images(request: Request) -> Response:
    """Return public images, newest first; without credentials there are no creations."""
    paging = read_paging(request)
    if paging.status != CreationStatus.READY:
        if paging.cursor is not None:
            raise InvalidInputError(((("cursor",), "must be one that this list gave out"),))
        nothing = CreationPage([], None)
        return creations_response(request, nothing, paging.status, MAX_PAGE_SIZE)
    images = PublicImages(get_runtime(request))

    async def list_page(limit: int, cursor: str | None) -> ImagePage:
        return await images.call(
            lambda service: service.list_images(limit, cursor, paging.match),
            is_search=paging.match is not None,
        )

    return await images_response(request, list_page, paging)
