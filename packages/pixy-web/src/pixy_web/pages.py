"""The pages for people: files in this wheel, which use the public API and nothing else."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from pixy_web.request_log import LOGGED

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

PAGES = {
    "/": ("index.html", "text/html"),
    "/gallery.css": ("gallery.css", "text/css"),
    "/gallery.js": ("gallery.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Each path, its file and its media type."""


def build_pages_router() -> APIRouter:
    """Return a router for the pages, their files read once."""
    router = APIRouter(dependencies=LOGGED, include_in_schema=False)
    for path, (name, media_type) in PAGES.items():
        content = (files("pixy_web") / "static" / name).read_bytes()
        router.add_api_route(path, _answer_with(content, media_type), methods=["GET", "HEAD"])
    return router


def _answer_with(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def answer_page() -> Response:
        """Answer with the file."""
        return Response(content, headers=HEADERS, media_type=media_type)

    return answer_page
