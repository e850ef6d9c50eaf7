"""The public router: what a request without credentials may read."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from pixy_core import Guid
from pixy_service import ImagePage
from pixy_web.content import PUBLIC_CACHING, content_response, load_content
from pixy_web.dependencies import PublicImages, get_public_images
from pixy_web.paging import Paging, read_paging
from pixy_web.responses import image_response, images_response

# OpenAPI keeps one operation for each path and method: the private router describes both
router = APIRouter(include_in_schema=False)

READ = ["GET", "HEAD"]
Public = Annotated[PublicImages, Depends(get_public_images)]


@router.api_route("/image", methods=READ)
async def list_public_images(
    request: Request, images: Public, paging: Annotated[Paging, Depends(read_paging)]
) -> Response:
    """Answer with the public images, newest first."""

    async def list_images(limit: int, cursor: str | None) -> ImagePage:
        return await images.call(lambda service: service.list_images(limit, cursor))

    return await images_response(request, list_images, paging.limit, paging.cursor)


@router.api_route("/image/{guid}", methods=READ)
async def get_public_image(images: Public, guid: Annotated[Guid, Path()]) -> Response:
    """Answer with the details of a public image."""
    return image_response(await images.call(lambda service: service.get_image_by_guid(guid)))


@router.api_route("/image/{guid}/content", methods=READ)
async def get_public_content(
    request: Request, images: Public, guid: Annotated[Guid, Path()]
) -> Response:
    """Answer with the file of a public image."""
    image, content = await images.call(partial(load_content, guid=guid, headers=request.headers))
    return content_response(request, image, content, PUBLIC_CACHING)
