"""Responses with API keys: the list, and a new key, which no other response has."""

from pydantic import Field, TypeAdapter
from starlette.responses import Response

from pixy_core import ApiKey
from pixy_service import IssuedKey
from pixy_web.http.problems import NO_STORE
from pixy_web.http.responses import JSON

_keys = TypeAdapter(list[ApiKey])


class NewApiKey(ApiKey):
    """A key that was just made or rotated, with the key itself."""

    key: str = Field(
        description="The key. It is shown this once and not stored: keep it.", repr=False
    )


def issued_response(issued: IssuedKey, status: int) -> Response:
    """Return a new key, with the key itself."""
    body = NewApiKey(**issued.key.model_dump(), key=issued.token).model_dump_json()
    return Response(body, status, headers=NO_STORE, media_type=JSON)


def keys_response(keys: list[ApiKey]) -> Response:
    """Return the list of a user's keys."""
    return Response(_keys.dump_json(keys), headers=NO_STORE, media_type=JSON)
