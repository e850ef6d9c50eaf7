"""Paths of an application that is mounted in another one (`root_path` in ASGI)."""

from urllib.parse import quote

from starlette.requests import Request


def path_for_client(request: Request, path: str) -> str:
    """Return the path by which clients reach a path of this application.

    Args:
        request: The request.
        path: Relative to the application, percent-encoded; a query may follow.
    """
    prefix: str = request.scope.get("root_path", "")
    return quote(prefix) + path if prefix else path


def path_for_routes(request: Request) -> str:
    """Return the path of a request, relative to the application."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))
