"""The private router: reads with credentials, and all writes.

It comes after the public router, which matches reads without credentials. A write without
credentials is answered with 401.
"""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from pixy_core import CreationStatus, DetailedImage, ImageDetailUpdate, ImageRequest
from pixy_service import MAX_PAGE_SIZE, ImagePage, PrivateImageService, validate_guid
from pixy_web.api import openapi
from pixy_web.api.direct_route import PrivateRoute
from pixy_web.http.content import PRIVATE_CACHING, content_response
from pixy_web.http.creations import (
    created_response,
    creations_response,
    details_response,
    read_idempotency_key,
)
from pixy_web.http.json_body import read_model
from pixy_web.http.paging import read_page, read_paging
from pixy_web.http.partial_images import has_preview, load_preview, preview_response
from pixy_web.http.prefer import Preference, read_preference, wait_for_image
from pixy_web.http.problems import NO_STORE
from pixy_web.http.responses import image_response, images_response
from pixy_web.http.thumbnails import read_width, thumbnail_response
from pixy_web.http.uploads import receive_upload, uploaded_response
from pixy_web.runtime import (
    PrivateImages,
    add_details,
    get_private_images,
    get_runtime,
    read_guid,
    sign_in,
)
from pixy_web.server.request_log import LOGGED

router = APIRouter(route_class=PrivateRoute, dependencies=LOGGED)

Private = Annotated[PrivateImages, Depends(get_private_images)]
SignedIn = Annotated[PrivateImageService, Depends(sign_in)]


# the most frequent first: routes are tried in order. Of two decorators, the lower one
# adds its route first


@router.head("/image/{guid:guid}", **openapi.HEAD_IMAGE)
@router.get("/image/{guid:guid}", **openapi.GET_IMAGE)
async def get_image(request: Request, images: Private) -> Response:
    """Return the details of an image that the user may see, or of an own creation."""
    user, details = await images.get_details(read_guid(request))
    if isinstance(details, DetailedImage) and not details.source_count:
        return image_response(details)
    runtime = get_runtime(request)
    service = runtime.services.private_images(user)
    if isinstance(details, DetailedImage):
        return image_response(await add_details(runtime, service, details))
    is_previewed = await has_preview(runtime.pools.files, service, details)
    return details_response(request, details, is_previewed)


@router.head("/image/{guid}/content", **openapi.HEAD_CONTENT)
@router.get("/image/{guid}/content", **openapi.GET_CONTENT)
async def get_content(request: Request, images: Private) -> Response:
    """Return the file of an image that the user may see, or a thumbnail."""
    guid = read_guid(request)
    if (width := read_width(request)) is not None:
        return await thumbnail_response(request, images, guid, width, PRIVATE_CACHING)
    return await content_response(request, images, guid, PRIVATE_CACHING)


@router.head("/image/{guid}/preview", **openapi.HEAD_PREVIEW)
@router.get("/image/{guid}/preview", **openapi.GET_PREVIEW)
async def get_preview(request: Request, images: Private) -> Response:
    """Return the latest partial image of an own creation, or where its image is."""
    guid = validate_guid(read_guid(request))
    service = await images.sign_in()
    preview = await get_runtime(request).pools.files.run(load_preview, service, guid)
    return preview_response(request, preview)


@router.head("/image/{guid}/derived", **openapi.HEAD_DERIVED)
@router.get("/image/{guid}/derived", **openapi.LIST_DERIVED)
async def list_derived(request: Request, images: Private) -> Response:
    """Return the images that were made from one, as far as the user may see them."""
    guid = validate_guid(read_guid(request))

    async def list_page(limit: int, cursor: str | None) -> ImagePage:
        return await images.call(lambda service: service.list_derived(guid, limit, cursor))

    return await images_response(request, list_page, read_page(request), f"/image/{guid}/derived")


@router.head("/image", **openapi.HEAD_IMAGES)
@router.get("/image", **openapi.LIST_IMAGES)
async def list_images(request: Request, images: Private) -> Response:
    """Return the images that the user may see, or own creations; newest first."""
    paging = read_paging(request)
    status = paging.status
    if status != CreationStatus.READY:
        limit = paging.limit or MAX_PAGE_SIZE
        return creations_response(
            request,
            await images.call(lambda service: service.list_creations(status, limit, paging.cursor)),
            status,
            limit,
        )

    async def list_page(limit: int, cursor: str | None) -> ImagePage:
        return await images.call(
            lambda service: service.list_images(limit, cursor, paging.match),
            is_search=paging.match is not None,
        )

    return await images_response(request, list_page, paging)


@router.post("/image", **openapi.CREATE_IMAGE)
async def create_image(request: Request, images: SignedIn) -> Response:
    """Generate an image; it is stored even if the client does not wait."""
    wanted = await read_model(request, ImageRequest)
    key, preference = read_idempotency_key(request), read_preference(request)
    runtime, created = get_runtime(request), None
    if key is not None:
        created = await runtime.pools.reads.run(images.find_replay, wanted, key)
    if created is not None:
        preference = Preference()
    else:
        created = await wait_for_image(images.submit_image(wanted, key), preference)
    if isinstance(created.image, DetailedImage):
        created = created._replace(image=await add_details(runtime, images, created.image))
    return created_response(request, created, preference)


@router.post("/image/upload", **openapi.UPLOAD_IMAGE)
async def upload_image(request: Request, images: SignedIn) -> Response:
    """Keep an image file of the user's."""
    return uploaded_response(request, await receive_upload(request, images))


@router.patch("/image/{guid:guid}", **openapi.UPDATE_IMAGE)
async def update_image(request: Request, images: SignedIn) -> Response:
    """Change who may see an image."""
    guid = validate_guid(read_guid(request))
    change = await read_model(request, ImageDetailUpdate)
    runtime = get_runtime(request)
    image = await runtime.pools.writes.run(images.change_visibility, guid, change.visibility)
    return image_response(await add_details(runtime, images, image))


@router.delete("/image/{guid:guid}", **openapi.DELETE_IMAGE)
async def delete_image(request: Request, images: SignedIn) -> Response:
    """Delete an image with its row and its file, or a failed creation."""
    await get_runtime(request).pools.deletions.run(images.delete_image, read_guid(request))
    return Response(status_code=204, headers=NO_STORE)
