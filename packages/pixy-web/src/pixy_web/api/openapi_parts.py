"""Pieces of the OpenAPI document: parameters, answers with their headers, problems, examples."""

from typing import Any

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from pixy_core import Creation, Guid, Image
from pixy_web.http.problems import MEDIA_TYPE, Problem

JSON = "application/json"
Answers = dict[int | str, dict[str, Any]]
"""Answers of an operation by their status, as FastAPI's `responses` takes them."""

_PROBLEMS = {
    400: "The request is malformed: its JSON, its `Host`, or a second `Authorization` header.",
    401: "Nobody is signed in and somebody has to be, or the credentials are wrong.",
    403: "The image may be seen but not changed: only its owner may. Or a page of another site "
    "asks for a change.",
    404: "There is no such image, or none that the caller may see.",
    409: "The image is still being made (`image_pending`), the first request with this key still "
    "runs (`idempotency_key_in_use`), or the user was removed (`constraint_violated`).",
    410: "The image that the first request with this key made has been deleted.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    416: "The file has no byte in that range.",
    422: "A value breaks a rule (`invalid_input`), the provider rejects the prompt "
    "(`prompt_rejected`) or what it drew (`image_rejected`), or the key came with another request "
    "(`idempotency_key_reused`).",
    429: "Too many wrong passwords for this user name came from this address.",
    431: "The address and header fields are too large.",
    500: "The server failed (`internal_error`), or the image's file is damaged "
    "(`content_damaged`).",
    502: "The provider refused, sent no usable image, or broke off.",
    503: "Something is busy or down for now; `code` says what.",
    504: "The provider took too long.",
}

_ALWAYS = (400, 431)

_HEADER_TEXTS = {
    "X-Request-ID": "The request's id in the log.",
    "Cache-Control": "Who may store the answer, and for how long.",
    "Vary": "Always `Authorization`; of smaller pictures also `Accept`.",
    "WWW-Authenticate": "The challenge, `Basic`.",
    "Retry-After": "Seconds after which a retry makes sense.",
    "Location": "Path of the new image, or of the finished one's file.",
    "Preference-Applied": "What was honoured of `Prefer`.",
    "Idempotent-Replayed": "`true` when an earlier request with this key is answered again.",
    "Link": 'The next page, as `</image?…>; rel="next"`, absent on the last; or of what is being '
    'made `</image/…/preview>; rel="preview"`, where there is something to see.',
    "ETag": "Strong: the SHA-256 of what is sent whole.",
    "Last-Modified": "When the image was made.",
    "Accept-Ranges": "Always `bytes`.",
    "Content-Range": "Which bytes these are, and of how many.",
    "Content-Security-Policy": "The file may load and run nothing.",
    "X-Content-Type-Options": "Always `nosniff`.",
}
_EVERYWHERE = ("X-Request-ID", "Cache-Control", "Vary")
CONTENT_HEADERS = (
    "ETag",
    "Last-Modified",
    "Accept-Ranges",
    "Content-Security-Policy",
    "X-Content-Type-Options",
)
_PROBLEM_HEADERS = {
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),
    416: ("Content-Range",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def reference(model: type[BaseModel]) -> dict[str, Any]:
    """Return a reference to a model's schema in the document."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Return a parameter of the query for each field of a model; none of them is required."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    parameters = []
    for name, described in schema["properties"].items():
        # skip the schema of null in an optional field: a query has no null
        own = described.get("anyOf", [described])[0]
        own = definitions.get(own.get("$ref", "").rpartition("/")[2], own)
        kept = ("type", "format", "enum", "minimum", "maximum", "minLength", "maxLength")
        parameters.append(
            {
                "name": name,
                "in": "query",
                "description": described["description"],
                "schema": {key: own[key] for key in kept if key in own},
            }
        )
    return parameters


def answer(description: str, *headers: str, **media_types: Any) -> dict[str, Any]:
    """Return an answer with the headers that every answer has, and further ones by name."""
    described: dict[str, Any] = {
        "description": description,
        "headers": {
            name: {"description": _HEADER_TEXTS[name], "schema": {"type": "string"}}
            for name in (*_EVERYWHERE, *headers)
        },
    }
    return described | media_types


def json_content(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    """Return the content of a JSON body."""
    return {JSON: {"schema": schema, "example": example}}


def with_problems(successes: Answers, *statuses: int) -> Answers:
    """Return the answers of an operation: its successes, and its problems by their status.

    Args:
        successes: Its other answers.
        statuses: Of its problems, beyond those that no operation is spared.
    """
    schema = {MEDIA_TYPE: {"schema": reference(Problem)}}
    problems: Answers = {
        status: answer(_PROBLEMS[status], *_PROBLEM_HEADERS.get(status, ()), content=schema)
        for status in sorted({*_ALWAYS, *statuses})
    }
    return successes | problems


def without_bodies(answers: Answers) -> Answers:
    """Return the answers to HEAD where these are the answers to GET."""
    return {
        status: {key: value for key, value in described.items() if key != "content"}
        for status, described in answers.items()
    }


OPTIONAL_SIGN_IN: list[dict[str, list[str]]] = [{}, {"basic": []}]
SIGN_IN: list[dict[str, list[str]]] = [{"basic": []}]

EXAMPLE = {
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
    "status": "ready",
    "created_at": "2026-11-23T10:45:01.123456Z",
    "updated_at": "2026-11-23T10:45:01.123456Z",
}

GUID: dict[str, Any] = {
    "name": "guid",
    "in": "path",
    "required": True,
    "schema": TypeAdapter(Guid).json_schema() | {"title": "Guid"},
    "description": TypeAdapter(Guid).json_schema()["description"],
}
"""What FastAPI says of a parameter that it reads itself; the routes read this one from the path."""


def operation(
    name: str,
    summary: str,
    security: list[dict[str, list[str]]],
    responses: Answers,
    tag: str = "images",
    **extra: Any,
) -> dict[str, Any]:
    """Return the keyword arguments of a route.

    Args:
        name: The operation's own.
        summary: What it is for.
        security: The ways to sign in; an empty one is no need to.
        responses: Its answers.
        tag: The group that it belongs to.
        extra: Members of the document's operation, as they are.
    """
    status = min(code for code in responses if isinstance(code, int))
    return {
        "operation_id": name,
        "summary": summary,
        "tags": [tag],
        "status_code": status,
        "responses": responses,
        "openapi_extra": {"security": security, **extra},
        "response_model": None,
        # without a media type of its own, FastAPI adds no content to answers that have none
        "response_class": Response,
    }


def body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON body that an operation needs."""
    return {"required": True, "content": json_content(reference(model), example)}


def header_parameter(name: str, description: str) -> dict[str, Any]:
    """Return a header that an operation reads."""
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


PENDING = {
    "prompt": "a lighthouse at dusk",
    "visibility": "public",
    "guid": "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11",
    "size": "auto",
    "quality": "auto",
    "status": "pending",
    "owner": "ada",
    "created_at": "2026-11-23T10:45:01.123456Z",
    "updated_at": "2026-11-23T10:45:01.123456Z",
}
DETAILS = json_content(reference(Image), EXAMPLE)
CREATION = json_content(reference(Creation), PENDING)
