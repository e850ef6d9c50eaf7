"""The routes of API keys: make, list, revoke and rotate the caller's own, with a password."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from pixy_core import ApiKeyCreate, User
from pixy_web.api import openapi_keys
from pixy_web.api.direct_route import PrivateRoute
from pixy_web.http.json_body import read_model
from pixy_web.http.keys import issued_response, keys_response
from pixy_web.http.problems import NO_STORE
from pixy_web.runtime import authenticate, get_runtime
from pixy_web.server.request_log import LOGGED

router = APIRouter(route_class=PrivateRoute, dependencies=LOGGED)

Caller = Annotated[User, Depends(authenticate)]


@router.post("/key", **openapi_keys.CREATE_KEY)
async def create_key(request: Request, user: Caller) -> Response:
    """Make a key. This answer is the only one that has it."""
    wanted = await read_model(request, ApiKeyCreate)
    runtime = get_runtime(request)
    issued = await runtime.pools.writes.run(
        runtime.services.keys.add_key,
        user.username,
        wanted.name,
        wanted.scopes,
        wanted.expires_in_days,
    )
    return issued_response(issued, 201)


@router.head("/key", **openapi_keys.HEAD_KEYS)
@router.get("/key", **openapi_keys.LIST_KEYS)
async def list_keys(request: Request, user: Caller) -> Response:
    """Return the user's keys, without the keys themselves."""
    runtime = get_runtime(request)
    return keys_response(
        await runtime.pools.reads.run(runtime.services.keys.list_keys, user.username)
    )


@router.delete("/key/{id}", **openapi_keys.DELETE_KEY)
async def revoke_key(request: Request, user: Caller) -> Response:
    """Revoke a key for good."""
    runtime, key_id = get_runtime(request), request.path_params["id"]
    await runtime.pools.writes.run(runtime.services.keys.revoke_key, key_id, user.username)
    return Response(status_code=204, headers=NO_STORE)


@router.post("/key/{id}/rotation", **openapi_keys.ROTATE_KEY)
async def rotate_key(request: Request, user: Caller) -> Response:
    """Replace a key by a new one with the same id, name, scopes and times."""
    runtime, key_id = get_runtime(request), request.path_params["id"]
    rotate = runtime.services.keys.rotate_key
    return issued_response(await runtime.pools.writes.run(rotate, key_id, user.username), 200)
