"""The pieces of the OpenAPI document's answers: headers, bodies, and every problem's meaning."""

from typing import Any

from pydantic import BaseModel

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
        # an optional field's own schema stands beside that of null, which no query can be
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
