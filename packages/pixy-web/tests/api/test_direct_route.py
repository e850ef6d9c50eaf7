"""Routes without FastAPI's parameters: endpoints are checked when they are declared."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from pixy_web.api.direct_route import DirectRoute


async def find(request: Request) -> str:
    return request.method


async def find_more(request: Request, found: Annotated[str, Depends(find)]) -> str:
    return request.method + found


def find_in_thread(request: Request) -> str:
    return request.method


async def take_path(request: Request, guid: Annotated[str, Path()]) -> Response:
    return Response(request.method + guid)


async def take_nested(request: Request, found: Annotated[str, Depends(find_more)]) -> Response:
    return Response(request.method + found)


async def take_threaded(
    request: Request, found: Annotated[str, Depends(find_in_thread)]
) -> Response:
    return Response(request.method + found)


def answer_in_thread(request: Request) -> Response:
    return Response(request.method)


async def answer(request: Request, found: Annotated[str, Depends(find)]) -> Response:
    return Response(request.method + found)


@pytest.mark.parametrize("endpoint", [take_path, take_nested, take_threaded, answer_in_thread])
def test_an_endpoint_that_it_can_t_call_is_refused(endpoint: object) -> None:
    router = APIRouter(route_class=DirectRoute)
    with pytest.raises(TypeError, match="is not async, or takes something else"):
        router.add_api_route("/{guid}", endpoint)  # type: ignore[arg-type]


def test_an_endpoint_that_it_can_call_is_accepted() -> None:
    router = APIRouter(route_class=DirectRoute, dependencies=[Depends(find)])
    router.add_api_route("/{guid}", answer)
    assert len(router.routes) == 1
