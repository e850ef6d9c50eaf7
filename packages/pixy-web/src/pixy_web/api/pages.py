"""The gallery page and the OpenAPI document: static content that is the same for everybody.

The page consists of files in this wheel, and uses only the public API. The URLs of its parts
contain a hash of all of them, so browsers cache them for good. Only `/` is requested again; it is
answered with 304 until a part changes.
"""

import asyncio
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pixy_web.server.request_log import LOGGED

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
CHECKED = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
KEPT = CHECKED | {"Cache-Control": "public, max-age=31536000, immutable"}

READ = ["GET", "HEAD"]

MEDIA_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
"""Media types by file extension."""


@dataclass(frozen=True)
class Page:
    """A static file, ready to send.

    Attributes:
        content: The bytes.
        media_type: The media type of the content.
        compressed: The content in gzip.
        entity_tag: The entity tag of the content; that of the compressed form has a suffix.
    """

    content: bytes
    media_type: str
    compressed: bytes = field(init=False)
    entity_tag: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the other attributes from the content."""
        object.__setattr__(self, "compressed", gzip.compress(self.content, mtime=0))
        object.__setattr__(self, "entity_tag", hashlib.sha256(self.content).hexdigest()[:32])

    def answer(self, request: Request, rules: dict[str, str]) -> Response:
        """Return the file, compressed if the client accepts that, or 304.

        Args:
            request: The request.
            rules: Headers for caches and browsers.
        """
        is_compressed = _accepts_gzip(request.headers.get("accept-encoding", ""))
        tag = f'"{self.entity_tag}{"-gzip" if is_compressed else ""}"'
        headers = rules | {"ETag": tag}
        known = request.headers.get("if-none-match", "")
        if known.strip() == "*" or tag in known:
            return Response(status_code=304, headers=headers)
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        content = self.compressed if is_compressed else self.content
        return Response(content, headers=headers, media_type=self.media_type)


def build_pages_router() -> APIRouter:
    """Return a router for the page and its parts; the files are read once."""
    parts, version = _read_files()
    markup = parts.pop("index.html")
    for name in parts:
        markup = markup.replace(f"/static/{name}".encode(), f"/static/{version}/{name}".encode())
    preloads = [name for name in parts if name.endswith(".js")]
    links = "".join(_preload(version, name) for name in preloads)
    markup = markup.replace(b"</head>", f"{links}</head>".encode())
    pages = {name: Page(content, _media_type(name)) for name, content in parts.items()}
    router = APIRouter(dependencies=LOGGED, include_in_schema=False)
    router.add_api_route(
        "/", _answer_with(Page(markup, "text/html"), HEADERS | CHECKED), methods=READ
    )

    async def answer_part(request: Request, part_version: str, name: str) -> Response:
        """Return a part of the page."""
        if name not in pages:
            raise HTTPException(404)
        # during an update, a page of another version may ask; serve it the current part
        return pages[name].answer(request, HEADERS | (KEPT if part_version == version else CHECKED))

    router.add_api_route("/static/{part_version}/{name}", answer_part, methods=READ)
    return router


def build_document_router(build: Callable[[], dict[str, Any]]) -> APIRouter:
    """Return a router for the OpenAPI document.

    Args:
        build: Returns the document, as JSON. It is called at the first request, in a thread,
            because it takes longer than the rest of a start.
    """
    router = APIRouter(dependencies=LOGGED, include_in_schema=False)
    known: Page | None = None

    async def answer_document(request: Request) -> Response:
        """Return the document."""
        nonlocal known
        if known is None:
            known = await asyncio.to_thread(lambda: _encode_document(build()))
        return known.answer(request, CHECKED)

    router.add_api_route("/openapi.json", answer_document, methods=READ)
    return router


def _encode_document(document: dict[str, Any]) -> Page:
    content = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Page(content.encode(), "application/json")


def _read_files() -> tuple[dict[str, bytes], str]:
    """Return the files by name, and a hash of all of them."""
    folder = files("pixy_web") / "static"
    contents = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    ordered = dict(sorted(contents.items()))
    return ordered, hashlib.sha256(repr(ordered).encode()).hexdigest()[:16]


def _preload(version: str, name: str) -> str:
    """Return a link that makes browsers load a module before another one imports it."""
    return f'<link rel="modulepreload" href="/static/{version}/{name}">\n'


def _media_type(name: str) -> str:
    return MEDIA_TYPES[name.rpartition(".")[2]]


def _answer_with(page: Page, rules: dict[str, str]) -> Callable[[Request], Awaitable[Response]]:
    async def answer_page(request: Request) -> Response:
        """Return the page."""
        return page.answer(request, rules)

    return answer_page


def _accepts_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding header names gzip (RFC 9110, section 12.5.3)."""
    for coding in accepted.split(","):
        name, _, weight = coding.replace(" ", "").lower().partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or not weight
    return False
