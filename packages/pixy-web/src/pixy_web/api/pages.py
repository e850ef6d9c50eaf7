"""The page for people: files in this wheel, which use the public API and nothing else.

The OpenAPI document is sent from here, too: a text that is the same for everybody.

Their addresses hold a hash of them all, so browsers keep them for good and still get each new
version at once: only `/` is asked for anew, and that is answered with 304 while nothing changed.
"""

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
"""By the ending of the file's name."""


@dataclass(frozen=True)
class Page:
    """A file of the page, as it is sent.

    Attributes:
        content: The bytes.
        media_type: Of the content.
        compressed: The content in gzip, made once.
        entity_tag: Of the content; that of the compressed form has a mark more.
    """

    content: bytes
    media_type: str
    compressed: bytes = field(init=False)
    entity_tag: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute what follows from the content."""
        object.__setattr__(self, "compressed", gzip.compress(self.content, mtime=0))
        object.__setattr__(self, "entity_tag", hashlib.sha256(self.content).hexdigest()[:32])

    def answer(self, request: Request, rules: dict[str, str]) -> Response:
        """Answer with the file, compressed where that is accepted, or with 304.

        Args:
            request: May have a copy of it already.
            rules: Header fields that say what caches, and browsers, may do with it.
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
    """Return a router for the page and its parts, their files read once."""
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
        """Answer with a part of the page."""
        if name not in pages:
            raise HTTPException(404)
        # a page of another version, in the middle of an update, is better served than left alone
        return pages[name].answer(request, HEADERS | (KEPT if part_version == version else CHECKED))

    router.add_api_route("/static/{part_version}/{name}", answer_part, methods=READ)
    return router


def build_document_router(document: dict[str, Any]) -> APIRouter:
    """Return a router for the OpenAPI document.

    Args:
        document: What is sent for good, as JSON.
    """
    content = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    router = APIRouter(dependencies=LOGGED, include_in_schema=False)
    answer = _answer_with(Page(content, "application/json"), CHECKED)
    router.add_api_route("/openapi.json", answer, methods=READ)
    return router


def _read_files() -> tuple[dict[str, bytes], str]:
    """Return the files by their names, and a hash of them all."""
    folder = files("pixy_web") / "static"
    contents = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
    ordered = dict(sorted(contents.items()))
    return ordered, hashlib.sha256(repr(ordered).encode()).hexdigest()[:16]


def _preload(version: str, name: str) -> str:
    """Return the link by which a browser loads a module before another one imports it."""
    return f'<link rel="modulepreload" href="/static/{version}/{name}">\n'


def _media_type(name: str) -> str:
    return MEDIA_TYPES[name.rpartition(".")[2]]


def _answer_with(page: Page, rules: dict[str, str]) -> Callable[[Request], Awaitable[Response]]:
    async def answer_page(request: Request) -> Response:
        """Answer with the page."""
        return page.answer(request, rules)

    return answer_page


def _accepts_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding header names gzip (RFC 9110, section 12.5.3)."""
    for coding in accepted.split(","):
        name, _, weight = coding.replace(" ", "").lower().partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or not weight
    return False
