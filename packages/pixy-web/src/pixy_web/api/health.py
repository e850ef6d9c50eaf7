"""Health checks for load balancers: liveness and readiness."""

import json

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
    """Return 200 if the process answers requests, whatever the state of the database."""
    return Response(b'{"status":"live"}', headers=NO_STORE, media_type="application/json")


@router.head("/ready", **openapi.HEAD_READY)
@router.get("/ready", **openapi.READY)
async def answer_ready(request: Request) -> Response:
    """Return 200 if the database answers and images can be stored, perhaps with warnings.

    Raises:
        DBConnectionError: The database doesn't answer.
        StorageUnavailableError: Images can't be stored.
    """
    runtime = get_runtime(request)
    await runtime.pools.files.run(runtime.services.check_ready)
    warnings = runtime.services.list_warnings()
    told = {"status": "ready"} | ({"warnings": warnings} if warnings else {})
    body = json.dumps(told, separators=(",", ":"))
    return Response(body, headers=NO_STORE, media_type="application/json")
