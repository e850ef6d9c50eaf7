"""The OpenAPI document's operations that write: what each takes and answers."""

from pixy_core import ImageDetailUpdate, ImageRequest
from pixy_service import IDEMPOTENCY_KEY_PATTERN
from pixy_web.api.answers import answer, with_problems
from pixy_web.api.operations import (
    CREATION,
    DETAILS,
    GUID,
    SIGN_IN,
    body,
    header_parameter,
    operation,
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
