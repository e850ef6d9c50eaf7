"""The API reference at `/docs`: Swagger UI, which shows the OpenAPI document and sends requests.

Its files are in this wheel, in `reference/`; `nox -s viewer` renews them. They are read at the
first request, because compressing them takes longer than the rest of a start.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pixy_web.api.pages import CHECKED, HEADERS, KEPT, MEDIA_TYPES, READ, Page
from pixy_web.server.request_log import LOGGED

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REFERENCE_HEADERS = HEADERS | {"Content-Security-Policy": _POLICY}

_PAGE = "index.html"
_PARTS = {
    "reference.js": "reference",
    "reference.css": "reference",
    "swagger-ui-bundle.js": "reference/swagger-ui",
    "swagger-ui.css": "reference/swagger-ui",
    "icon.svg": "static",
}
"""The folder of each part of the page."""


@dataclass(frozen=True)
class _Reference:
    """The page, its parts by name, and the version in their URLs: a hash of all of them."""

    page: Page
    parts: dict[str, Page]
    version: str


def build_reference_router() -> APIRouter:
    """Return a router for the page and its parts."""
    router = APIRouter(dependencies=LOGGED, include_in_schema=False)
    known: _Reference | None = None

    async def get_reference() -> _Reference:
        nonlocal known
        if known is None:
            known = await asyncio.to_thread(_read_reference)
        return known

    async def answer_page(request: Request) -> Response:
        """Return the page."""
        reference = await get_reference()
        return reference.page.answer(request, REFERENCE_HEADERS | CHECKED)

    async def answer_part(request: Request, part_version: str, name: str) -> Response:
        """Return a part of the page."""
        if name not in _PARTS:
            raise HTTPException(404)
        reference = await get_reference()
        caching = KEPT if part_version == reference.version else CHECKED
        return reference.parts[name].answer(request, REFERENCE_HEADERS | caching)

    router.add_api_route("/docs", answer_page, methods=READ)
    router.add_api_route("/docs/{part_version}/{name}", answer_part, methods=READ)
    return router


def _read_reference() -> _Reference:
    root = files("pixy_web")
    contents = {name: (root / folder / name).read_bytes() for name, folder in _PARTS.items()}
    markup = (root / "reference" / _PAGE).read_bytes()
    digest = hashlib.sha256(markup)
    for content in contents.values():
        digest.update(content)
    version = digest.hexdigest()[:16]
    # relative: the application may be mounted below a prefix
    markup = markup.replace(b'"parts/', f'"docs/{version}/'.encode())
    parts = {
        name: Page(content, MEDIA_TYPES[name.rpartition(".")[2]])
        for name, content in contents.items()
    }
    return _Reference(Page(markup, MEDIA_TYPES["html"]), parts, version)
