"""The OpenAPI document: what each operation takes and answers, both ways to sign in included.

Each constant is the keyword arguments of one route. `docs/api.md` says the same for people.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import Response

from pixy_core import Image, ImageDetailCreate, ImageDetailUpdate, ImageFilter
from pixy_service import THUMBNAIL_WIDTHS
from pixy_web.answers import (
    CONTENT_HEADERS,
    Answers,
    answer,
    json_content,
    query_parameters,
    reference,
    with_problems,
    without_bodies,
)
from pixy_web.problems import Problem

IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/avif")

_OPTIONAL_SIGN_IN: list[dict[str, list[str]]] = [{}, {"basic": []}]
_SIGN_IN: list[dict[str, list[str]]] = [{"basic": []}]

_EXAMPLE = {
    "prompt": "a lighthouse at dusk",
    "visibility": "public",
    "guid": "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11",
    "filename": "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11.png",
    "owner": "ada",
    "media_type": "image/png",
    "width": 1024,
    "height": 1024,
    "size": 1498112,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "generator": "openai",
    "model": "gpt-image-2.6-flare",
    "created_at": "2026-11-23T10:45:01.123456Z",
    "updated_at": "2026-11-23T10:45:01.123456Z",
}


def _operation(
    name: str,
    summary: str,
    security: list[dict[str, list[str]]],
    responses: Answers,
    **extra: Any,
) -> dict[str, Any]:
    status = min(code for code in responses if isinstance(code, int))
    return {
        "operation_id": name,
        "summary": summary,
        "status_code": status,
        "responses": responses,
        "openapi_extra": {"security": security, **extra},
        "response_model": None,
        # without a media type of its own, FastAPI adds no content to answers that have none
        "response_class": Response,
    }


def _body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": json_content(reference(model), example)}


_READ_PROBLEMS = (400, 401, 404, 422, 429, 500, 503)
_BINARY = {name: {"schema": {"type": "string", "format": "binary"}} for name in IMAGE_TYPES}
_ANY_STRING = {"schema": {"type": "string"}}


def _header_parameter(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, **_ANY_STRING}


_CONDITIONS = [
    {
        "name": "width",
        "in": "query",
        "description": "Pixels of a smaller picture, in AVIF or WebP; without it the file.",
        "schema": {"type": "integer", "enum": list(THUMBNAIL_WIDTHS)},
    },
    _header_parameter("If-None-Match", "Entity tags that the client has, or `*`."),
    _header_parameter("If-Modified-Since", "An HTTP date; used without `If-None-Match`."),
    _header_parameter("Range", "One range of bytes; anything else is ignored."),
    _header_parameter("If-Range", "The entity tag that the range belongs to."),
]

_FILTERS = query_parameters(ImageFilter)

_DETAILS = json_content(reference(Image), _EXAMPLE)
_LIST = json_content({"type": "array", "items": reference(Image)}, [_EXAMPLE])

_LIST_ANSWERS = with_problems(
    {200: answer("The images, newest first.", "Link", content=_LIST)}, 400, 401, 422, 429, 500, 503
)
_IMAGE_ANSWERS = with_problems({200: answer("The details.", content=_DETAILS)}, *_READ_PROBLEMS)
_CONTENT_ANSWERS = with_problems(
    {
        200: answer("The file, or the smaller picture.", *CONTENT_HEADERS, content=_BINARY),
        206: answer("A part of the file.", "Content-Range", *CONTENT_HEADERS, content=_BINARY),
        304: answer("The client's copy is still right.", *CONTENT_HEADERS),
    },
    *_READ_PROBLEMS,
    416,
)

LIST_IMAGES = _operation(
    "list_images",
    "List the images that the caller may see, or find some of them",
    _OPTIONAL_SIGN_IN,
    _LIST_ANSWERS,
    parameters=_FILTERS,
)
HEAD_IMAGES = _operation(
    "head_images",
    "As GET, without a body",
    _OPTIONAL_SIGN_IN,
    without_bodies(_LIST_ANSWERS),
    parameters=_FILTERS,
)
GET_IMAGE = _operation("get_image", "Get an image's details", _OPTIONAL_SIGN_IN, _IMAGE_ANSWERS)
HEAD_IMAGE = _operation(
    "head_image", "As GET, without a body", _OPTIONAL_SIGN_IN, without_bodies(_IMAGE_ANSWERS)
)
GET_CONTENT = _operation(
    "get_content",
    "Get an image's file, or a smaller picture",
    _OPTIONAL_SIGN_IN,
    _CONTENT_ANSWERS,
    parameters=_CONDITIONS,
)
HEAD_CONTENT = _operation(
    "head_content",
    "As GET, without a body",
    _OPTIONAL_SIGN_IN,
    without_bodies(_CONTENT_ANSWERS),
    parameters=_CONDITIONS,
)
CREATE_IMAGE = _operation(
    "create_image",
    "Generate an image from a prompt",
    _SIGN_IN,
    with_problems(
        {201: answer("The new image.", "Location", content=_DETAILS)},
        400,
        401,
        403,
        409,
        413,
        415,
        422,
        429,
        500,
        502,
        503,
        504,
    ),
    requestBody=_body(
        ImageDetailCreate, {"prompt": "a lighthouse at dusk", "visibility": "public"}
    ),
)
UPDATE_IMAGE = _operation(
    "update_image",
    "Change who may see an image",
    _SIGN_IN,
    with_problems(
        {200: answer("The changed image.", content=_DETAILS)},
        400,
        401,
        403,
        404,
        413,
        415,
        422,
        429,
        500,
        503,
    ),
    requestBody=_body(ImageDetailUpdate, {"visibility": "class"}),
)
DELETE_IMAGE = _operation(
    "delete_image",
    "Delete an image and its file",
    _SIGN_IN,
    with_problems({204: answer("It is gone.")}, 400, 401, 403, 404, 422, 429, 500, 503),
)


def _health(name: str, summary: str, status: str, *problems: int) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"const": status, "type": "string"}},
    }
    content = json_content(schema, {"status": status})
    return _operation(
        name, summary, [], with_problems({200: answer("It is.", content=content)}, *problems)
    )


LIVE = _health("get_live", "Whether the process serves", "live")
READY = _health("get_ready", "Whether images can be read and stored", "ready", 500, 503)


def build_document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application: FastAPI's, with what it can't know.

    Args:
        app: The application, all of its routers included.
    """
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    models = (Image, ImageDetailCreate, ImageDetailUpdate, Problem)
    _, schemas = models_json_schema(
        [(m, "validation" if "Detail" in m.__name__ else "serialization") for m in models],
        ref_template="#/components/schemas/{model}",
    )
    document["components"] = {
        "schemas": schemas["$defs"],
        "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
    }
    return document
