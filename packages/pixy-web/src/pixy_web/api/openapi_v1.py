"""The operations of `/v1` in the OpenAPI document: their own bodies, and errors in OpenAI's shape.

Their models only describe; http/v1 reads and writes the bodies.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from pixy_core.images import MAX_SOURCES, Background, Moderation, OutputFormat, Prompt, Visibility
from pixy_service import MAX_PARTIALS
from pixy_web.api.openapi_parts import (
    JSON,
    Answers,
    answer,
    body,
    json_content,
    operation,
    reference,
)
from pixy_web.http.v1.requests import MOST_IMAGES

BEARER: list[dict[str, list[str]]] = [{"bearer": []}]


class ImagesRequest(BaseModel):
    """What a client of the OpenAI Images API asks for. Further members are read and dropped."""

    prompt: Prompt
    model: str | None = Field(
        None, description="One of `GET /v1/models`. Without it, the default model."
    )
    n: int | None = Field(
        None, ge=1, le=MOST_IMAGES, description="Number of images. With `stream`, 1."
    )
    size: str | None = Field(
        None,
        description="As `size` of `POST /image`. `256x256` and `512x512` become `1024x1024`.",
        examples=["1536x1024"],
    )
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = (
        Field(None, description="`standard` becomes `medium`, and `hd` `high`.")
    )
    background: Background | None = Field(None, description="`transparent` needs `png` or `webp`.")
    output_format: OutputFormat | None = Field(None, description="The format of the file.")
    output_compression: int | None = Field(
        None, ge=0, le=100, description="Per cent, for `jpeg` and `webp` only."
    )
    moderation: Moderation | None = Field(None, description="`low` lets moderation reject less.")
    visibility: Visibility | None = Field(
        None, description="Who may see the image in the gallery. Without it, `private`."
    )
    stream: bool | None = Field(None, description="Whether the answer is a stream of events.")
    partial_images: int | None = Field(
        None, ge=0, le=MAX_PARTIALS, description="Number of partial images in the stream."
    )
    response_format: Literal["b64_json", "url"] | None = Field(
        None, description="Without it, `url` for models whose names begin with `dall-e`."
    )
    user: str | None = Field(None, description="Read and dropped.")


class ImageReference(BaseModel):
    """A source or mask: one of the two members."""

    file_id: str | None = Field(None, description="The guid of an image that the caller may see.")
    image_url: str | None = Field(
        None,
        description="A data URL, or `/image/{guid}/content` of this service. Nothing is fetched.",
    )


class EditsRequest(ImagesRequest):
    """What a client asks for, with the images that the new ones are made from."""

    images: Annotated[list[ImageReference], Field(min_length=1, max_length=MAX_SOURCES)]
    mask: ImageReference | None = Field(
        None, description="A PNG as large as the first image. Its transparent area is redrawn."
    )


class EditsForm(ImagesRequest):
    """The same as a form. One file is `image`, several are `image[]`, repeated."""

    image: bytes | None = Field(None, json_schema_extra={"format": "binary"})
    images: list[bytes] | None = Field(None, alias="image[]")
    mask: bytes | None = Field(None, description="As `mask` in JSON.")


class ImageItem(BaseModel):
    """One image of an answer."""

    guid: str = Field(description="The image's id in this service: `GET /image/{guid}`.")
    b64_json: str | None = Field(None, description="The file in base64.")
    url: str | None = Field(None, description="Where the file is, with `response_format: url`.")


class ApiError(BaseModel):
    """What went wrong."""

    message: str = Field(description="What happened, for people.")
    type: str = Field(description="OpenAI's kind of the error.")
    param: str | None = Field(description="The member of the request that is wrong.")
    code: str | None = Field(description="What happened, for programs.")
    retryable: bool | None = Field(description="Whether the same request may succeed later.")
    billed: Literal["yes", "no", "unknown"] | None = Field(
        description="Whether the provider charged for it."
    )
    request_id: str = Field(description="The request's id in the log, as in `X-Request-ID`.")
    failed: int | None = Field(
        None, description="With images: how many of the others could not be made."
    )


class ApiErrorBody(BaseModel):
    """An error in the shape of the OpenAI API."""

    error: ApiError


class ImagesAnswer(BaseModel):
    """The images of a request."""

    created: int = Field(description="Seconds since 1970 in UTC.")
    data: list[ImageItem]
    background: str | None = Field(None, description="As the provider reports it.")
    output_format: OutputFormat | None = Field(None, description="The format of the files.")
    quality: str | None = Field(None, description="As the provider reports it.")
    size: str | None = Field(None, description="Pixels of the first image.")
    usage: dict[str, Any] | None = Field(
        None, description="What the provider charged for; of several images the sum."
    )
    error: ApiError | None = Field(None, description="If some of the images could not be made.")


class ApiModel(BaseModel):
    """A model that requests may name."""

    id: str
    object: Literal["model"]
    created: int = Field(description="Always 0.")
    owned_by: str
    shutdown_date: str | None = Field(None, description="When the provider ends it, if it tells.")


class ApiModels(BaseModel):
    """The models of this server."""

    object: Literal["list"]
    data: list[ApiModel]


V1_RECEIVED = (ImagesRequest, EditsRequest, EditsForm)
V1_SENT = (ImagesAnswer, ImageItem, ApiError, ApiErrorBody, ApiModel, ApiModels)

_ERRORS = {
    400: "A member is invalid, or moderation rejects the prompt (`moderation_blocked`).",
    401: "The key is missing, wrong, expired or revoked.",
    403: "The key lacks a scope.",
    404: "There is no such model.",
    408: "The body comes too slowly.",
    409: "The first request with this idempotency key still runs.",
    410: "The image of the earlier attempt was deleted.",
    413: "The body is too large.",
    415: "The body has another media type.",
    424: "The request may have been paid for, or can't succeed: don't send it again.",
    429: "The provider's account has no budget left.",
    431: "The address and header fields are too large.",
    500: "The server failed before it asked the provider.",
    503: "Something is busy or down for now. Nothing was paid for.",
}
_ERROR_HEADERS = {
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),
    410: ("x-should-retry",),
    424: ("x-should-retry",),
    429: ("Retry-After", "x-should-retry"),
    503: ("Retry-After",),
}


def _with_errors(successes: Answers, *statuses: int) -> Answers:
    content = {JSON: {"schema": reference(ApiErrorBody)}}
    errors: Answers = {
        status: answer(_ERRORS[status], *_ERROR_HEADERS.get(status, ()), content=content)
        for status in sorted({400, 401, 403, 431, 500, 503, *statuses})
    }
    return successes | errors


_IMAGES = {
    "created": 1795689901,
    "data": [{"b64_json": "iVBORw0KGgo…", "guid": "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"}],
    "output_format": "png",
    "quality": "high",
    "size": "1536x1024",
}
_STREAM = {"text/event-stream": {"schema": {"type": "string"}}}
_MODEL = {"id": "gpt-image-2.6-flare", "object": "model", "created": 0, "owned_by": "pixyproxy"}
_MADE = _with_errors(
    {
        200: answer(
            "The images, or a stream of events.",
            "Location",
            content=json_content(reference(ImagesAnswer), _IMAGES) | _STREAM,
        )
    },
    404,
    408,
    409,
    410,
    413,
    415,
    424,
    429,
)

GENERATE = operation(
    "v1_generate_images",
    "Make images from a prompt, as the OpenAI API does",
    BEARER,
    _MADE,
    tag="v1",
    requestBody=body(ImagesRequest, {"prompt": "a lighthouse at dusk", "size": "1536x1024"}),
)
EDIT = operation(
    "v1_edit_images",
    "Make images from others, as the OpenAI API does",
    BEARER,
    _MADE,
    tag="v1",
    requestBody={
        "required": True,
        "content": {
            "multipart/form-data": {"schema": reference(EditsForm)},
            **json_content(
                reference(EditsRequest),
                {
                    "prompt": "the same at night",
                    "images": [{"file_id": "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"}],
                },
            ),
        },
    },
)
LIST_MODELS = operation(
    "v1_list_models",
    "List the models that requests may name",
    BEARER,
    _with_errors(
        {
            200: answer(
                "The models.",
                content=json_content(reference(ApiModels), {"object": "list", "data": [_MODEL]}),
            )
        }
    ),
    tag="v1",
)
GET_MODEL = operation(
    "v1_get_model",
    "Get one model",
    BEARER,
    _with_errors(
        {200: answer("The model.", content=json_content(reference(ApiModel), _MODEL))}, 404
    ),
    tag="v1",
    parameters=[
        {
            "name": "model",
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": "Its name.",
        }
    ],
)
