"""The pieces of the OpenAPI document's operations, and the examples that they share."""

from typing import Any

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from pixy_core import Creation, Guid, Image
from pixy_web.api.answers import Answers, json_content, reference

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
