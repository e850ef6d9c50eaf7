"""Whether the process lives, and whether it can do its work: for load balancers."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pixy_web.api import openapi
from pixy_web.http.problems import NO_STORE
from pixy_web.runtime import get_runtime
from pixy_web.server.request_log import LOGGED

router = APIRouter(prefix="/health", dependencies=LOGGED)


@router.head("/live", **openapi.HEAD_LIVE)
@router.get("/live", **openapi.LIVE)
async def answer_live() -> Response:
    """Answer that the process serves, whatever the state of the database."""
    return Response(b'{"status":"live"}', headers=NO_STORE, media_type="application/json")


@router.head("/ready", **openapi.HEAD_READY)
@router.get("/ready", **openapi.READY)
async def answer_ready(request: Request) -> Response:
    """Answer that the database answers and that images can be stored.

    Raises:
        DBConnectionError: The database doesn't answer.
        StorageUnavailableError: Images can't be stored.
    """
    runtime = get_runtime(request)
    await runtime.pools.files.run(runtime.services.check_ready)
    return Response(b'{"status":"ready"}', headers=NO_STORE, media_type="application/json")
