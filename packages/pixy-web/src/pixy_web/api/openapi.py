"""The OpenAPI document; each operation is a constant, the keyword arguments of its route."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from pixy_core import (
    Creation,
    CreationProblem,
    CreationStatus,
    Image,
    ImageDetailUpdate,
    ImageFilter,
    ImageRequest,
)
from pixy_core.images import IMAGE_EXTENSIONS, THUMBNAIL_EXTENSIONS
from pixy_service import IDEMPOTENCY_KEY_PATTERN, THUMBNAIL_WIDTHS
from pixy_web.api.openapi_parts import (
    CONTENT_HEADERS,
    CREATION,
    DETAILS,
    EXAMPLE,
    GUID,
    OPTIONAL_SIGN_IN,
    SIGN_IN,
    answer,
    body,
    header_parameter,
    json_content,
    operation,
    query_parameters,
    reference,
    with_problems,
    without_bodies,
)
from pixy_web.http.paging import ListQuery
from pixy_web.http.problems import Problem

IMAGE_TYPES = tuple(IMAGE_EXTENSIONS | THUMBNAIL_EXTENSIONS)

_TAGS = [
    {"name": "images", "description": "Make, find, read, share and delete images."},
    {"name": "health", "description": "Whether the service works, for load balancers."},
]
_SENT_WITHOUT_NULL = (Creation, CreationProblem, Problem)
"""Models that are sent without the members that are None."""

_READ_PROBLEMS = (400, 401, 404, 422, 429, 500, 503)
_BINARY = {name: {"schema": {"type": "string", "format": "binary"}} for name in IMAGE_TYPES}
_PARTIAL = {name: _BINARY[name] for name in IMAGE_TYPES[:3]}
_CONDITIONS = [
    {
        "name": "width",
        "in": "query",
        "description": "Pixels of a smaller picture, in AVIF or WebP; without it the file.",
        "schema": {"type": "integer", "enum": list(THUMBNAIL_WIDTHS)},
    },
    header_parameter("If-None-Match", "Entity tags that the client has, or `*`."),
    header_parameter("If-Modified-Since", "An HTTP date; used without `If-None-Match`."),
    header_parameter("Range", "One range of bytes; anything else is ignored."),
    header_parameter("If-Range", "The entity tag that the range belongs to."),
]

_LIST_QUERY = query_parameters(ListQuery) + query_parameters(ImageFilter)
_EITHER: dict[str, Any] = {"anyOf": [reference(Image), reference(Creation)]}
_LIST = json_content({"type": "array", "items": _EITHER}, [EXAMPLE])

_LIST_ANSWERS = with_problems(
    {200: answer("The images, or own creations, newest first.", "Link", content=_LIST)},
    400,
    401,
    422,
    429,
    500,
    503,
)
_IMAGE_ANSWERS = with_problems(
    {
        200: answer(
            "The details of an image, or of an own creation that is none yet.",
            "Retry-After",
            "Link",
            content=json_content(_EITHER, EXAMPLE),
        )
    },
    *_READ_PROBLEMS,
)
_CONTENT_ANSWERS = with_problems(
    {
        200: answer("The file, or the smaller picture.", *CONTENT_HEADERS, content=_BINARY),
        206: answer("A part of the file.", "Content-Range", *CONTENT_HEADERS, content=_BINARY),
        304: answer("The client's copy is still right.", "ETag"),
    },
    *_READ_PROBLEMS,
    409,
    416,
)

_PREVIEW_HEADERS = ("ETag", "Content-Security-Policy", "X-Content-Type-Options")
_PREVIEW_ANSWERS = with_problems(
    {
        200: answer("The latest partial image.", *_PREVIEW_HEADERS, content=_PARTIAL),
        204: answer("There is nothing to see yet, or there won't be an image."),
        303: answer("The image is finished.", "Location"),
        304: answer("The client has the latest.", *_PREVIEW_HEADERS),
    },
    *_READ_PROBLEMS,
)

LIST_IMAGES = operation(
    "list_images",
    "List the images that the caller may see, or find some of them",
    OPTIONAL_SIGN_IN,
    _LIST_ANSWERS,
    parameters=_LIST_QUERY,
)
HEAD_IMAGES = operation(
    "head_images",
    "As GET, without a body",
    OPTIONAL_SIGN_IN,
    without_bodies(_LIST_ANSWERS),
    parameters=_LIST_QUERY,
)
GET_IMAGE = operation(
    "get_image",
    "Get an image's details",
    OPTIONAL_SIGN_IN,
    _IMAGE_ANSWERS,
    parameters=[GUID],
)
HEAD_IMAGE = operation(
    "head_image",
    "As GET, without a body",
    OPTIONAL_SIGN_IN,
    without_bodies(_IMAGE_ANSWERS),
    parameters=[GUID],
)
GET_CONTENT = operation(
    "get_content",
    "Get an image's file, or a smaller picture",
    OPTIONAL_SIGN_IN,
    _CONTENT_ANSWERS,
    parameters=[GUID, *_CONDITIONS],
)
HEAD_CONTENT = operation(
    "head_content",
    "As GET, without a body",
    OPTIONAL_SIGN_IN,
    without_bodies({s: said for s, said in _CONTENT_ANSWERS.items() if s not in (206, 416)}),
    parameters=[GUID, *_CONDITIONS[:3]],
)
GET_PREVIEW = operation(
    "get_preview",
    "Get what there is to see of an own image while it is made",
    OPTIONAL_SIGN_IN,
    _PREVIEW_ANSWERS,
    parameters=[GUID, _CONDITIONS[1]],
)
HEAD_PREVIEW = operation(
    "head_preview",
    "As GET, without a body",
    OPTIONAL_SIGN_IN,
    without_bodies(_PREVIEW_ANSWERS),
    parameters=[GUID, _CONDITIONS[1]],
)

_PREFERENCES = [
    header_parameter("Prefer", "RFC 7240: `respond-async`, `wait=SECONDS`, or both."),
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The caller's own name for this request: with the same one it is run, and "
        "paid for, once.",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": IDEMPOTENCY_KEY_PATTERN,
        },
    },
]
_CREATE_HEADERS = ("Preference-Applied", "Idempotent-Replayed")

CREATE_IMAGE = operation(
    "create_image",
    "Generate an image from a prompt",
    SIGN_IN,
    with_problems(
        {
            201: answer("The new image.", "Location", *_CREATE_HEADERS, content=DETAILS),
            202: answer(
                "It is being made.", "Location", "Retry-After", *_CREATE_HEADERS, content=CREATION
            ),
        },
        400,
        401,
        403,
        409,
        410,
        413,
        415,
        422,
        429,
        500,
        502,
        503,
        504,
    ),
    parameters=_PREFERENCES,
    requestBody=body(ImageRequest, {"prompt": "a lighthouse at dusk", "visibility": "public"}),
)
UPDATE_IMAGE = operation(
    "update_image",
    "Change who may see an image",
    SIGN_IN,
    with_problems(
        {200: answer("The changed image.", content=DETAILS)},
        400,
        401,
        403,
        404,
        409,
        413,
        415,
        422,
        429,
        500,
        503,
    ),
    parameters=[GUID],
    requestBody=body(ImageDetailUpdate, {"visibility": "class"}),
)
DELETE_IMAGE = operation(
    "delete_image",
    "Delete an image and its file, or what is known of a failed creation",
    SIGN_IN,
    with_problems({204: answer("It is gone.")}, 400, 401, 403, 404, 409, 422, 429, 500, 503),
    parameters=[GUID],
)


def _health(name: str, summary: str, status: str, *problems: int) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"const": status, "type": "string"}},
    }
    content = json_content(schema, {"status": status})
    return operation(
        name,
        summary,
        [],
        with_problems({200: answer("It is.", content=content)}, *problems),
        tag="health",
    )


def _head(name: str, get: dict[str, Any]) -> dict[str, Any]:
    responses = without_bodies(get["responses"])
    return operation(name, "As GET, without a body", [], responses, tag="health")


LIVE = _health("get_live", "Whether the process serves", "live")
HEAD_LIVE = _head("head_live", LIVE)
READY = _health("get_ready", "Whether images can be read and stored", "ready", 500, 503)
HEAD_READY = _head("head_ready", READY)


def build_document(app: FastAPI, max_prompt_length: int) -> dict[str, Any]:
    """Return the OpenAPI document of an application: FastAPI's, with what it can't know.

    Args:
        app: The application, all of its routers included.
        max_prompt_length: Characters that the prompt of a new image may have.
    """
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    models = (Image, Creation, ImageRequest, ImageDetailUpdate, Problem)
    _, schemas = models_json_schema(
        [
            (m, "validation" if m in (ImageRequest, ImageDetailUpdate) else "serialization")
            for m in models
        ],
        ref_template="#/components/schemas/{model}",
    )
    definitions = schemas["$defs"]
    # unused: a creation's status lists its values itself, without `ready`
    definitions.pop(CreationStatus.__name__, None)
    definitions["ImageRequest"]["properties"]["prompt"]["maxLength"] = max_prompt_length
    for model in _SENT_WITHOUT_NULL:
        _describe_sent(definitions[model.__name__], is_left_out=True)
    _describe_sent(definitions["Image"], is_left_out=False, nullable=("owner",))
    for schema in definitions.values():
        _describe_defaults(schema)
    document["tags"] = _TAGS
    document["components"] = {
        "schemas": definitions,
        "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
    }
    return document


def _describe_sent(
    schema: dict[str, Any], *, is_left_out: bool, nullable: tuple[str, ...] = ()
) -> None:
    """Describe which members of a sent object are always there, and which may be null.

    Args:
        schema: Of the object, changed in place.
        is_left_out: Whether a member without a value is left out; else it always has one.
        nullable: Members that may be null.
    """
    required = []
    for name, member in schema["properties"].items():
        kinds = [kind for kind in member.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1 and name not in nullable:
            del member["anyOf"]
            member.update(kinds[0])
            if is_left_out:
                continue
        required.append(name)
    schema["required"] = required


def _describe_defaults(schema: dict[str, Any]) -> None:
    """Move defaults to the descriptions: of `default`, generators of clients make a duty.

    openapi-typescript, for one, requires each member that has a default, in requests, too.
    """
    for name, member in schema.get("properties", {}).items():
        default = member.pop("default", None)
        if default is not None and name not in schema.get("required", ()):
            member["description"] += f" The default is `{default}`."
