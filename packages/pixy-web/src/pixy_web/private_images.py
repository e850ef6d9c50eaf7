"""The private router: what a signed-in user may read, and every write.

It comes before the public router and leaves reads without credentials to it. Writes are
private always, so that one without credentials is told to sign in.
"""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from pixy_core import Guid, Image, ImageDetailCreate, ImageDetailUpdate
from pixy_service import ImagePage, PrivateImageService
from pixy_web import openapi
from pixy_web.content import PRIVATE_CACHING, content_response, load_content
from pixy_web.dependencies import PrivateImages, get_private_images, get_runtime, sign_in
from pixy_web.json_body import read_model
from pixy_web.paging import Paging, read_paging
from pixy_web.problems import NO_STORE
from pixy_web.responses import image_response, images_response


class PrivateReadRoute(APIRoute):
    """A route for reads that matches only requests with an `Authorization` header."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Decline what the public router is to answer."""
        if scope["type"] == "http" and not any(n == b"authorization" for n, _ in scope["headers"]):
            return Match.NONE, {}
        return super().matches(scope)


reads = APIRouter(route_class=PrivateReadRoute)
writes = APIRouter()

Private = Annotated[PrivateImages, Depends(get_private_images)]
SignedIn = Annotated[PrivateImageService, Depends(sign_in)]


@reads.get("/image", **openapi.LIST_IMAGES)
@reads.head("/image", **openapi.HEAD_IMAGES)
async def list_images(
    request: Request, images: Private, paging: Annotated[Paging, Depends(read_paging)]
) -> Response:
    """Answer with the images that the user may see, newest first."""

    async def list_page(limit: int, cursor: str | None) -> ImagePage:
        return await images.call(lambda service: service.list_images(limit, cursor))

    return await images_response(request, list_page, paging.limit, paging.cursor)


@reads.get("/image/{guid}", **openapi.GET_IMAGE)
@reads.head("/image/{guid}", **openapi.HEAD_IMAGE)
async def get_image(images: Private, guid: Annotated[Guid, Path()]) -> Response:
    """Answer with the details of an image that the user may see."""
    return image_response(await images.call(lambda service: service.get_image_by_guid(guid)))


@reads.get("/image/{guid}/content", **openapi.GET_CONTENT)
@reads.head("/image/{guid}/content", **openapi.HEAD_CONTENT)
async def get_content(request: Request, images: Private, guid: Annotated[Guid, Path()]) -> Response:
    """Answer with the file of an image that the user may see."""
    image, content = await images.call(partial(load_content, guid=guid, headers=request.headers))
    return content_response(request, image, content, PRIVATE_CACHING)


@writes.post("/image", **openapi.CREATE_IMAGE)
async def create_image(request: Request, images: SignedIn) -> Response:
    """Generate an image; it is stored even when the client doesn't wait for it."""
    wanted = await read_model(request, ImageDetailCreate)
    image: Image = await asyncio.wrap_future(images.submit_image(wanted))
    return image_response(image, 201)


@writes.patch("/image/{guid}", **openapi.UPDATE_IMAGE)
async def update_image(
    request: Request, images: SignedIn, guid: Annotated[Guid, Path()]
) -> Response:
    """Change who may see an image."""
    change = await read_model(request, ImageDetailUpdate)
    image = await get_runtime(request).reads.run(images.change_visibility, guid, change.visibility)
    return image_response(image)


@writes.delete("/image/{guid}", **openapi.DELETE_IMAGE)
async def delete_image(
    request: Request, images: SignedIn, guid: Annotated[Guid, Path()]
) -> Response:
    """Delete an image, its row and its file."""
    await get_runtime(request).reads.run(images.delete_image, guid)
    return Response(status_code=204, headers=NO_STORE)
