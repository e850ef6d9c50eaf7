"""Paths where the application is mounted below another one (ASGI's `root_path`)."""

from urllib.parse import quote

from starlette.requests import Request


def path_for_client(request: Request, path: str) -> str:
    """Return a path of this application as its client must ask for it.

    Args:
        request: What is being answered.
        path: As the routes know it, percent-encoded; a query may follow.
    """
    prefix: str = request.scope.get("root_path", "")
    return quote(prefix) + path if prefix else path


def path_for_routes(request: Request) -> str:
    """Return the path of a request as the routes know it."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))
