"""The operations of the OpenAPI document, each the keyword arguments of its route."""

from typing import Any

from pydantic import TypeAdapter

from pixy_core import (
    Creation,
    DetailedImage,
    Image,
    ImageDetailUpdate,
    ImageFilter,
    ImageRequest,
    Prompt,
)
from pixy_core.images import IMAGE_EXTENSIONS, THUMBNAIL_EXTENSIONS
from pixy_service import IDEMPOTENCY_KEY_PATTERN, THUMBNAIL_WIDTHS
from pixy_web.api.openapi_parts import (
    CONTENT_HEADERS,
    CREATION,
    DETAILS,
    DETAILS_EXAMPLE,
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
from pixy_web.http.paging import ListQuery, PageQuery
from pixy_web.http.uploads import FORM, RAW_TYPES

IMAGE_TYPES = tuple(IMAGE_EXTENSIONS | THUMBNAIL_EXTENSIONS)

_READ_PROBLEMS = (400, 401, 404, 422, 429, 500, 503)
_BINARY = {name: {"schema": {"type": "string", "format": "binary"}} for name in IMAGE_TYPES}
_PARTIAL = {name: _BINARY[name] for name in IMAGE_TYPES[:3]}
_CONDITIONS = [
    {
        "name": "width",
        "in": "query",
        "description": "Width in pixels of a thumbnail, in AVIF or WebP. The default is the file.",
        "schema": {"type": "integer", "enum": list(THUMBNAIL_WIDTHS)},
    },
    header_parameter("If-None-Match", "Entity tags of the client's copies, or `*`."),
    header_parameter("If-Modified-Since", "An HTTP date; ignored if `If-None-Match` is sent."),
    header_parameter("Range", "One range of bytes; anything else is ignored."),
    header_parameter("If-Range", "The entity tag that the range belongs to."),
]

_LIST_QUERY = query_parameters(ListQuery) + query_parameters(ImageFilter)
_EITHER: dict[str, Any] = {"anyOf": [reference(Image), reference(Creation)]}
_DETAILS_OR_CREATION: dict[str, Any] = {"anyOf": [reference(DetailedImage), reference(Creation)]}
_LIST = json_content({"type": "array", "items": _EITHER}, [EXAMPLE])

_DERIVED = json_content({"type": "array", "items": reference(Image)}, [EXAMPLE])
_DERIVED_ANSWERS = with_problems(
    {200: answer("The images, newest first.", "Link", content=_DERIVED)}, *_READ_PROBLEMS, 409
)
_LIST_ANSWERS = with_problems(
    {200: answer("Images, or the user's creations; newest first.", "Link", content=_LIST)},
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
            "The details of an image, or of a creation of the user that is not an image yet.",
            "Retry-After",
            "Link",
            content=json_content(
                {"anyOf": [reference(DetailedImage), reference(Creation)]}, DETAILS_EXAMPLE
            ),
        )
    },
    *_READ_PROBLEMS,
)
_CONTENT_ANSWERS = with_problems(
    {
        200: answer("The file, or the thumbnail.", *CONTENT_HEADERS, content=_BINARY),
        206: answer("A range of the file.", "Content-Range", *CONTENT_HEADERS, content=_BINARY),
        304: answer("The client's copy is up to date.", "ETag"),
    },
    *_READ_PROBLEMS,
    409,
    416,
)

_PREVIEW_HEADERS = ("ETag", "Content-Security-Policy", "X-Content-Type-Options")
_PREVIEW_ANSWERS = with_problems(
    {
        200: answer("The latest partial image.", *_PREVIEW_HEADERS, content=_PARTIAL),
        204: answer("There is no partial image yet, or the creation has failed."),
        303: answer("The image is finished.", "Location"),
        304: answer("The client has the latest partial image.", *_PREVIEW_HEADERS),
    },
    *_READ_PROBLEMS,
)

LIST_IMAGES = operation(
    "list_images",
    "List or search the images that the caller may see",
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
    "Get an image's file, or a thumbnail",
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
    "Get the latest partial image of a pending creation of the user",
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

LIST_DERIVED = operation(
    "list_derived",
    "List what was made from an image, as far as the caller may see it",
    OPTIONAL_SIGN_IN,
    _DERIVED_ANSWERS,
    parameters=[GUID, *query_parameters(PageQuery)],
)
HEAD_DERIVED = operation(
    "head_derived",
    "As GET, without a body",
    OPTIONAL_SIGN_IN,
    without_bodies(_DERIVED_ANSWERS),
    parameters=[GUID, *query_parameters(PageQuery)],
)

_PREFERENCES = [
    header_parameter("Prefer", "RFC 7240: `respond-async`, `wait=SECONDS`, or both."),
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A key that the caller chooses. Requests with the same key make, and pay "
        "for, one image.",
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
    "Generate an image from a prompt, and perhaps from other images",
    SIGN_IN,
    with_problems(
        {
            201: answer("The new image.", "Location", *_CREATE_HEADERS, content=DETAILS),
            202: answer(
                "The image is being made.",
                "Location",
                "Retry-After",
                *_CREATE_HEADERS,
                content=CREATION,
            ),
        },
        400,
        401,
        403,
        404,
        408,
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
_FILE = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {**_FILE, "description": "The image file."},
        "prompt": TypeAdapter(Prompt).json_schema()
        | {"description": "The caption. Without it, the file's name."},
    },
}
UPLOAD_IMAGE = operation(
    "upload_image",
    "Keep an image file as a private image",
    SIGN_IN,
    with_problems(
        {
            200: answer("The caller's image that has these bytes.", "Location", content=DETAILS),
            201: answer("The new image.", "Location", content=DETAILS),
            202: answer(
                "It is safe, and waits for the database.",
                "Location",
                "Retry-After",
                content=CREATION,
            ),
        },
        400,
        401,
        403,
        408,
        409,
        413,
        415,
        422,
        429,
        500,
        503,
    ),
    parameters=[
        {
            "name": "prompt",
            "in": "query",
            "description": "The caption, if it is not in the form.",
            "schema": TypeAdapter(Prompt).json_schema(),
        }
    ],
    requestBody={
        "required": True,
        "content": {kind: {"schema": _FILE} for kind in RAW_TYPES} | {FORM: {"schema": _FORM}},
    },
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
        408,
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
    "Delete an image and its file, or a failed creation",
    SIGN_IN,
    with_problems({204: answer("It is deleted.")}, 400, 401, 403, 404, 409, 422, 429, 500, 503),
    parameters=[GUID],
)


_WARNINGS = {
    "type": "array",
    "items": {"type": "string"},
    "description": "What an operator should act on, such as a model that will be shut down. "
    "Absent if there is nothing.",
}


def _health(
    name: str, summary: str, status: str, *problems: int, **members: dict[str, Any]
) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"const": status, "type": "string"}, **members},
    }
    content = json_content(schema, {"status": status})
    return operation(
        name,
        summary,
        [],
        with_problems({200: answer("Yes.", content=content)}, *problems),
        tag="health",
    )


def _head(name: str, get: dict[str, Any]) -> dict[str, Any]:
    responses = without_bodies(get["responses"])
    return operation(name, "As GET, without a body", [], responses, tag="health")


LIVE = _health("get_live", "Whether the process answers requests", "live")
HEAD_LIVE = _head("head_live", LIVE)
READY = _health(
    "get_ready", "Whether images can be read and stored", "ready", 500, 503, warnings=_WARNINGS
)
HEAD_READY = _head("head_ready", READY)
