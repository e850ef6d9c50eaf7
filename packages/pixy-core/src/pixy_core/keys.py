"""API keys: what a key is and may do. Neither its secret nor the secret's hash is in a model."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

from pixy_core.users import MAX_NAME_LENGTH, check_label, normalise_name

KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""Characters of a key's id and secret: a double click selects a whole key."""

KEY_PREFIX = "pixy_"

KEY_ID_LENGTH = 10

KEY_SECRET_LENGTH = 43
"""Characters of KEY_ALPHABET that hold 256 bits."""

KEY_ID_PATTERN = f"^[A-Za-z0-9]{{{KEY_ID_LENGTH}}}$"

MAX_KEY_DAYS = 3650
"""Days after which a key expires at the latest, if it expires at all."""

MAX_KEYS = 100
"""Keys of one user that are not revoked."""

_token = re.compile(
    f"{KEY_PREFIX}([A-Za-z0-9]{{{KEY_ID_LENGTH}}})_[A-Za-z0-9]{{{KEY_SECRET_LENGTH}}}", re.ASCII
)


def find_key_id(token: str) -> str | None:
    """Return the id in an API key such as `pixy_ID_SECRET`; None for any other text."""
    match = _token.fullmatch(token)
    return None if match is None else match[1]


class Scope(StrEnum):
    """What an API key may do."""

    READ = "read"
    CREATE = "create"
    CHANGE = "change"


KeyId = Annotated[
    StrictStr,
    Field(
        pattern=KEY_ID_PATTERN,
        min_length=KEY_ID_LENGTH,
        max_length=KEY_ID_LENGTH,
        description="The key's id: the first part of the key, which is no secret.",
        examples=["q7Rt2mXc0B"],
    ),
]

KeyName = Annotated[
    StrictStr,
    Field(min_length=1, max_length=MAX_NAME_LENGTH),
    BeforeValidator(normalise_name),
    AfterValidator(check_label),
]


def _order_scopes(scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    return tuple(scope for scope in Scope if scope in scopes)


class ApiKeyCreate(BaseModel):
    """What a user asks for: a key with a name and some scopes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: KeyName = Field(
        description="What the key is for, in the user's own words.", examples=["laptop"]
    )
    scopes: Annotated[
        tuple[Scope, ...], Field(min_length=1, max_length=len(Scope)), AfterValidator(_order_scopes)
    ] = Field(
        (Scope.READ,),
        description="What the key may do. `read`: see what its owner sees. `create`: make images, "
        "which costs money. `change`: change the visibility of images, and delete them.",
    )
    expires_in_days: Annotated[int, Field(strict=True, ge=1, le=MAX_KEY_DAYS)] | None = Field(
        None, description="Days until the key expires. Without it, it does not expire."
    )


class ApiKey(BaseModel):
    """A key as its owner may see it at any time; the secret is shown once, when it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: KeyId
    owner: str = Field(description="The user name of the key's owner.")
    name: str = Field(description="What the key is for.")
    scopes: tuple[Scope, ...] = Field(description="What the key may do.")
    created_at: datetime = Field(description="When the key was made: UTC.")
    expires_at: datetime | None = Field(
        None, description="When the key expires: UTC. Null if it does not."
    )
    last_used_at: datetime | None = Field(
        None, description="When the key was last used: UTC, to the minute. Null before that."
    )
    revoked_at: datetime | None = Field(
        None, description="When the key was revoked: UTC. Null if it was not."
    )
