"""The routes of `/v1`, which clients of the OpenAI Images API use."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pixy_core import PixyProxyException
from pixy_web.api import openapi_v1
from pixy_web.api.direct_route import PrivateRoute
from pixy_web.http.creations import read_idempotency_key
from pixy_web.http.json_body import read_json_object
from pixy_web.http.problems import NO_STORE
from pixy_web.http.v1.answers import failure_response, images_response
from pixy_web.http.v1.callers import Caller, authenticate_key
from pixy_web.http.v1.edits import read_edit
from pixy_web.http.v1.events import EDIT, GENERATION, stream_response
from pixy_web.http.v1.making import Making
from pixy_web.http.v1.models import find_models
from pixy_web.http.v1.requests import Wanted, read_wanted
from pixy_web.runtime import get_runtime
from pixy_web.server.request_log import LOGGED

router = APIRouter(route_class=PrivateRoute, dependencies=LOGGED)

KeyCaller = Annotated[Caller, Depends(authenticate_key)]


@router.post("/v1/images/generations", **openapi_v1.GENERATE)
async def generate_images(request: Request, caller: KeyCaller) -> Response:
    """Make images from a prompt."""
    runtime = get_runtime(request)
    members = await read_json_object(request, runtime.max_body_size)
    wanted = read_wanted(members, find_models(runtime), is_lenient=runtime.v1.is_lenient)
    return await _answer(request, caller, wanted)


@router.post("/v1/images/edits", **openapi_v1.EDIT)
async def edit_images(request: Request, caller: KeyCaller) -> Response:
    """Make images from others, which a form or references bring."""
    # refused before anything is uploaded
    read_idempotency_key(request)
    wanted = await read_edit(request, caller.images)
    return await _answer(request, caller, wanted, prefix=EDIT)


@router.get("/v1/models", **openapi_v1.LIST_MODELS)
async def list_models(request: Request, caller: KeyCaller) -> Response:
    """Return the models that requests may name."""
    del caller
    return JSONResponse(find_models(get_runtime(request)).list_all(), headers=NO_STORE)


@router.get("/v1/models/{model}", **openapi_v1.GET_MODEL)
async def get_model(request: Request, caller: KeyCaller) -> Response:
    """Return one model."""
    del caller
    name: str = request.path_params["model"]
    return JSONResponse(find_models(get_runtime(request)).describe(name), headers=NO_STORE)


async def _answer(
    request: Request, caller: Caller, wanted: Wanted, *, prefix: str = GENERATION
) -> Response:
    if wanted.is_stream:
        return await stream_response(request, caller, wanted, prefix=prefix)
    making = Making(request, caller, wanted)
    outcomes = await making.run()
    try:
        return await images_response(request, making, outcomes, has_url=wanted.has_url)
    except PixyProxyException as error:
        return failure_response(request, making, error)
