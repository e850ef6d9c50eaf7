"""The operations of API keys in the OpenAPI document."""

from pixy_core import ApiKey, ApiKeyCreate
from pixy_web.api.openapi_parts import (
    KEY_ID,
    PASSWORD,
    answer,
    body,
    json_content,
    operation,
    reference,
    with_problems,
    without_bodies,
)
from pixy_web.http.keys import NewApiKey

_KEY = {
    "id": "q7Rt2mXc0B",
    "owner": "ada",
    "name": "laptop",
    "scopes": ["read", "create"],
    "created_at": "2026-11-23T10:45:01.123456Z",
    "expires_at": "2027-02-21T10:45:01.123456Z",
    "last_used_at": None,
    "revoked_at": None,
}
_NEW_KEY = json_content(reference(NewApiKey), _KEY | {"key": f"pixy_q7Rt2mXc0B_{'x' * 43}"})
_KEY_LIST = json_content({"type": "array", "items": reference(ApiKey)}, [_KEY])
_KEY_PROBLEMS = (400, 401, 403, 429, 500, 503)
_KEY_ANSWERS = with_problems({200: answer("The keys.", content=_KEY_LIST)}, *_KEY_PROBLEMS)

CREATE_KEY = operation(
    "create_key",
    "Make an API key",
    PASSWORD,
    with_problems(
        {201: answer("The key, which no other answer has.", content=_NEW_KEY)},
        *_KEY_PROBLEMS,
        404,
        408,
        409,
        413,
        415,
        422,
    ),
    tag="keys",
    requestBody=body(ApiKeyCreate, {"name": "laptop", "scopes": ["read", "create"]}),
)
LIST_KEYS = operation("list_keys", "List the user's API keys", PASSWORD, _KEY_ANSWERS, tag="keys")
HEAD_KEYS = operation(
    "head_keys", "As GET, without a body", PASSWORD, without_bodies(_KEY_ANSWERS), tag="keys"
)
DELETE_KEY = operation(
    "revoke_key",
    "Revoke an API key",
    PASSWORD,
    with_problems({204: answer("It is refused from now on.")}, *_KEY_PROBLEMS, 404, 422),
    tag="keys",
    parameters=[KEY_ID],
)
ROTATE_KEY = operation(
    "rotate_key",
    "Replace an API key by a new one with the same id, name, scopes and times",
    PASSWORD,
    with_problems(
        {200: answer("The new key, which no other answer has.", content=_NEW_KEY)},
        *_KEY_PROBLEMS,
        404,
        422,
    ),
    tag="keys",
    parameters=[KEY_ID],
)
