"""Routes whose functions take the request and little else.

FastAPI finds out at each request what a function's parameters are to be, reads a body, and opens
stacks of what is to be closed: where there is none of that, it takes as long as a query.
"""

from collections.abc import Callable, Coroutine, Iterator
from inspect import iscoroutinefunction, signature
from typing import Any, get_type_hints

from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, request_response
from starlette.types import Scope

AsyncFunction = Callable[..., Coroutine[Any, Any, Any]]


class DirectRoute(APIRoute):
    """A route that calls its dependencies, then its endpoint.

    All of them are `async`, and a dependency takes the request and nothing else. What the endpoint
    takes besides the request is what dependencies return.

    Raises:
        TypeError: The endpoint or a dependency isn't like that.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Starlette's, since FastAPI's opens those stacks
        self.app = request_response(self.get_route_handler())

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers a request."""
        before = [depends.dependency for depends in self.dependencies if depends.dependency]
        parameters = tuple(_list_parameters(self.endpoint))
        endpoint = self.endpoint
        _check(endpoint, {"request", *(name for name, _ in parameters)})
        for function in (*before, *(function for _, function in parameters)):
            _check(function, {"request"})

        async def handle(request: Request) -> Response:
            for function in before:
                await function(request)
            values = {name: await function(request) for name, function in parameters}
            response: Response = await endpoint(request, **values)
            return response

        return handle


class PublicRoute(DirectRoute):
    """A route that matches only requests without an `Authorization` header."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match like `DirectRoute`, but leave requests with credentials to the private router."""
        # kept for the other routes of the router
        has_credentials: bool | None = scope.get("pixy.has_credentials")
        if has_credentials is None:
            has_credentials = any(name == b"authorization" for name, _ in scope["headers"])
            scope["pixy.has_credentials"] = has_credentials
        return (Match.NONE, {}) if has_credentials else super().matches(scope)


def _list_parameters(endpoint: Callable[..., Any]) -> Iterator[tuple[str, AsyncFunction]]:
    """Return the parameters of an endpoint that dependencies give, in their order."""
    for name, hint in get_type_hints(endpoint, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, Depends) and mark.dependency is not None:
                yield name, mark.dependency


def _check(function: Callable[..., Any], parameters: set[str]) -> None:
    if not iscoroutinefunction(function) or signature(function).parameters.keys() != parameters:
        raise TypeError(f"{function} is not async, or takes something else than {parameters}")
