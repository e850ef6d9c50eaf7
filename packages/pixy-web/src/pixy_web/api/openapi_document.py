"""The OpenAPI document: all operations, and the schemas of what they take and send."""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from pixy_core import (
    ApiKey,
    ApiKeyCreate,
    Creation,
    CreationProblem,
    CreationStatus,
    DetailedImage,
    Image,
    ImageDetailUpdate,
    ImageRequest,
)
from pixy_web.api.openapi_parts import SECURITY_SCHEMES
from pixy_web.api.openapi_v1 import V1_RECEIVED, V1_SENT
from pixy_web.http.keys import NewApiKey
from pixy_web.http.problems import Problem

_TAGS = [
    {"name": "images", "description": "Make, find, read, share and delete images."},
    {"name": "v1", "description": "The OpenAI Images API, for its clients."},
    {"name": "keys", "description": "Make, list, revoke and rotate API keys."},
    {"name": "health", "description": "Whether the service works, for load balancers."},
]
_SENT_WITHOUT_NULL = (Creation, CreationProblem, Problem)
"""Models whose members are left out when they are None."""

_RECEIVED = (ImageRequest, ImageDetailUpdate, ApiKeyCreate, *V1_RECEIVED)
_SENT = (Image, DetailedImage, Creation, ApiKey, NewApiKey, Problem, *V1_SENT)

_KEY_TIMES = ("expires_at", "last_used_at", "revoked_at")
_NULLABLE = {
    "Image": ("owner",),
    "DetailedImage": ("owner", "purchase", "sources"),
    "Purchase": ("usage", "upstream_request_id"),
    "ApiKey": _KEY_TIMES,
    "NewApiKey": _KEY_TIMES,
}
"""Models that are sent with all of their members, and which of these may be null."""


def build_document(app: FastAPI, max_prompt_length: int) -> dict[str, Any]:
    """Return the OpenAPI document of an application: FastAPI's, with our schemas and limits.

    Args:
        app: The application, with all its routes.
        max_prompt_length: Maximum characters of a prompt.
    """
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    _, schemas = models_json_schema(
        [
            *((model, "validation") for model in _RECEIVED),
            *((model, "serialization") for model in _SENT),
        ],
        ref_template="#/components/schemas/{model}",
    )
    definitions = schemas["$defs"]
    # unused: the schema of a creation's status lists its values itself, without `ready`
    definitions.pop(CreationStatus.__name__, None)
    definitions["ImageRequest"]["properties"]["prompt"]["maxLength"] = max_prompt_length
    for model in _SENT_WITHOUT_NULL:
        _describe_sent(definitions[model.__name__], is_left_out=True)
    for name, nullable in _NULLABLE.items():
        _describe_sent(definitions[name], is_left_out=False, nullable=nullable)
    for schema in definitions.values():
        _describe_defaults(schema)
    document["tags"] = _TAGS
    document["components"] = {
        "schemas": definitions,
        "securitySchemes": SECURITY_SCHEMES,
    }
    return document


def _describe_sent(
    schema: dict[str, Any], *, is_left_out: bool, nullable: tuple[str, ...] = ()
) -> None:
    """Mark which members of a sent object are required, and which may be null.

    Args:
        schema: The object's schema, changed in place.
        is_left_out: True if members that are None are left out; otherwise all are sent.
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
    """Move defaults to the descriptions.

    Some client generators, such as openapi-typescript, require each member that has a default,
    even in requests.
    """
    for name, member in schema.get("properties", {}).items():
        default = member.pop("default", None)
        if default is not None and name not in schema.get("required", ()):
            told = default if isinstance(default, str) else json.dumps(default)
            member["description"] += f" The default is `{told}`."
