"""Pieces of the OpenAPI document: parameters, answers with their headers, problems, examples."""

from typing import Any

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from pixy_core import Creation, DetailedImage, Guid, KeyId
from pixy_web.http.problems import MEDIA_TYPE, Problem

JSON = "application/json"
Answers = dict[int | str, dict[str, Any]]
"""Answers of an operation by status; the type of FastAPI's `responses`."""

_PROBLEMS = {
    400: "The request is malformed: its JSON, its `Host`, or a second `Authorization` header.",
    401: "The credentials are missing or wrong: a password (`invalid_credentials`) or an API key "
    "(`invalid_key`).",
    403: "The caller may see the image but does not own it (`permission_denied`). The API key "
    "lacks a scope (`scope_missing`), or no key may do this (`password_required`). Or a page of "
    "another site sent the request (`cross_site_request`).",
    404: "There is no such image or API key, or the caller may not see it.",
    408: "The body comes too slowly.",
    409: "The image is still being made (`image_pending`), the first request with this key still "
    "runs (`idempotency_key_in_use`), the user was removed (`constraint_violated`) or has too many "
    "API keys (`too_many_keys`).",
    410: "The image that the first request with this key made has been deleted.",
    413: "The body is too large.",
    415: "The body has a media type that is not taken here, or is compressed.",
    416: "The file has no byte in that range.",
    422: "A value is not valid (`invalid_input`), the provider rejected the prompt "
    "(`prompt_rejected`) or its own image (`image_rejected`), or the key was used for another "
    "request (`idempotency_key_reused`).",
    429: "Too many wrong passwords for this user name came from this address.",
    431: "The address and header fields are too large.",
    500: "The server failed (`internal_error`), or the image's file is damaged "
    "(`content_damaged`).",
    502: "The provider refused, sent no usable image, or closed the connection.",
    503: "A part of the service is busy or down for now; `code` says which.",
    504: "The provider took too long.",
}

_ALWAYS = (400, 431)

_HEADER_TEXTS = {
    "X-Request-ID": "The request's id in the log.",
    "Cache-Control": "Which caches may store the answer, and for how long.",
    "Vary": "Always `Authorization`; for thumbnails also `Accept`.",
    "WWW-Authenticate": "The challenge: `Basic`; with a wrong API key also `Bearer`.",
    "x-should-retry": "`false`: the OpenAI SDKs don't send the request again.",
    "Retry-After": "Seconds after which a retry makes sense.",
    "Location": "Path of the new image, or of the finished image's file.",
    "Preference-Applied": "The preferences of `Prefer` that were applied.",
    "Idempotent-Replayed": "`true` if the answer is that of an earlier request with this key.",
    "Link": 'The next page, as `</image?…>; rel="next"`, absent on the last page. Or the partial '
    'image of a creation, as `</image/…/preview>; rel="preview"`, if there is one.',
    "ETag": "Strong: the SHA-256 of the whole content.",
    "Last-Modified": "When the image was made.",
    "Accept-Ranges": "Always `bytes`.",
    "Content-Range": "The range that is sent, and the size of the file.",
    "Content-Security-Policy": "Forbids the content to load or run anything.",
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
    """Return an optional query parameter for each field of a model."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    parameters = []
    for name, described in schema["properties"].items():
        # take the first type of an optional field; the other is null, which a query can't have
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
    """Return an answer with the headers that every answer has, and those named."""
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
    """Return the answers of an operation: its successes and its problems.

    Args:
        successes: The answers that are not problems.
        statuses: The problems, without those that every operation has.
    """
    schema = {MEDIA_TYPE: {"schema": reference(Problem)}}
    problems: Answers = {
        status: answer(_PROBLEMS[status], *_PROBLEM_HEADERS.get(status, ()), content=schema)
        for status in sorted({*_ALWAYS, *statuses})
    }
    return successes | problems


def without_bodies(answers: Answers) -> Answers:
    """Return the answers to HEAD, made from the answers to GET."""
    return {
        status: {key: value for key, value in described.items() if key != "content"}
        for status, described in answers.items()
    }


SIGN_IN: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}]
OPTIONAL_SIGN_IN: list[dict[str, list[str]]] = [{}, *SIGN_IN]
PASSWORD: list[dict[str, list[str]]] = [{"basic": []}]

SECURITY_SCHEMES = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "User name and password, or user name and API key.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "pixy_ID_SECRET",
        "description": "An API key.",
    },
}

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

DETAILS_EXAMPLE = EXAMPLE | {
    "purchase": {
        "size": "1024x1024",
        "quality": "high",
        "reported": {"size": "1024x1024", "quality": "high", "output_format": "png"},
        "usage": {
            "input_tokens": 12,
            "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
            "output_tokens": 196,
            "total_tokens": 208,
        },
        "upstream_request_id": "req_4f1c",
    },
    "sources": [],
}

GUID: dict[str, Any] = {
    "name": "guid",
    "in": "path",
    "required": True,
    "schema": TypeAdapter(Guid).json_schema() | {"title": "Guid"},
    "description": TypeAdapter(Guid).json_schema()["description"],
}
"""The path parameter; declared here because the routes read it without FastAPI."""

KEY_ID: dict[str, Any] = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": TypeAdapter(KeyId).json_schema() | {"title": "Id"},
    "description": TypeAdapter(KeyId).json_schema()["description"],
}


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
        name: The operation's id.
        summary: One line on its purpose.
        security: The accepted ways to sign in; an empty one allows anonymous calls.
        responses: Its answers.
        tag: Its group in the document.
        extra: Further members of the operation in the document.
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
        # it has no media type, so FastAPI adds no content to answers without one
        "response_class": Response,
    }


def body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """Return a required JSON body."""
    return {"required": True, "content": json_content(reference(model), example)}


def header_parameter(name: str, description: str) -> dict[str, Any]:
    """Return an optional request header."""
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
DETAILS = json_content(reference(DetailedImage), DETAILS_EXAMPLE)
CREATION = json_content(reference(Creation), PENDING)
