"""Routes without FastAPI's work on parameters.

For each request FastAPI solves the parameters of a function, reads a body and opens exit stacks.
That takes as long as a query, also if there is nothing to do.
"""

from collections.abc import Callable, Coroutine, Iterator
from inspect import iscoroutinefunction, signature
from typing import Any, get_type_hints

from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, request_response
from starlette.types import Scope

from pixy_core import Scope as KeyScope
from pixy_web.api.scopes import find_scope


class GuidConvertor(StringConvertor):
    """The guid in a path: `{guid:guid}`. Any text but the name of another resource."""

    regex = "(?!upload$)[^/]+"


register_url_convertor("guid", GuidConvertor())

AsyncFunction = Callable[..., Coroutine[Any, Any, Any]]


class DirectRoute(APIRoute):
    """A route that calls its dependencies, then its endpoint.

    All of them are `async`. A dependency takes only the request. The endpoint takes the request and
    what its dependencies return.

    Raises:
        TypeError: The endpoint or a dependency is different.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Starlette's, because FastAPI's opens exit stacks
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
        """Match like `DirectRoute`, but only requests without credentials."""
        # cached for the other routes of the router
        has_credentials: bool | None = scope.get("pixy.has_credentials")
        if has_credentials is None:
            has_credentials = any(name == b"authorization" for name, _ in scope["headers"])
            scope["pixy.has_credentials"] = has_credentials
        return (Match.NONE, {}) if has_credentials else super().matches(scope)


class PrivateRoute(DirectRoute):
    """A route for callers with credentials.

    Attributes:
        needed: The scope that an API key needs; None if no key is enough.

    Raises:
        LookupError: The table of scopes has no row for the route.
    """

    needed: KeyScope | None

    def __init__(self, path: str, *arguments: Any, **options: Any) -> None:
        super().__init__(path, *arguments, **options)
        self.needed = find_scope(self.path_format, self.methods or ())


def _list_parameters(endpoint: Callable[..., Any]) -> Iterator[tuple[str, AsyncFunction]]:
    """Return the parameters of an endpoint that dependencies provide, in their order."""
    for name, hint in get_type_hints(endpoint, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, Depends) and mark.dependency is not None:
                yield name, mark.dependency


def _check(function: Callable[..., Any], parameters: set[str]) -> None:
    if not iscoroutinefunction(function) or signature(function).parameters.keys() != parameters:
        raise TypeError(f"{function} is not async, or takes something else than {parameters}")
