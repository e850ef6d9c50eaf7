"""The user model and the rules for user names and class keys."""

import re
import unicodedata
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

MAX_NAME_LENGTH = 64
"""Characters of a user name or class key."""

# Unicode Standard Annex #15, section 14: the most characters that one of NFC has in another form
_MAX_EXPANSION = 4
# Unicode's general category Cc, which is closed. `isprintable` is much faster and finds every
# category C
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def normalise_name(name: object) -> object:
    """Return a user name or class key in Unicode's NFC form, so that equal names compare equal.

    What is not a string, or too long in every form, is returned unchanged.
    """
    if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH * _MAX_EXPANSION:
        return name
    return unicodedata.normalize("NFC", name)


def has_control_characters(text: str) -> bool:
    """Return whether a text contains a character of Unicode's general category Cc."""
    return not text.isprintable() and _CONTROL.search(text) is not None


def check_label(name: str) -> str:
    """Return a name without white space at its ends and without control characters.

    Raises:
        ValueError: It has some.
    """
    # MySQL's utf8mb4_bin ignores trailing spaces
    if name != name.strip():
        raise ValueError("must not begin or end with white space")
    if not name.isprintable() and any(unicodedata.category(char)[0] == "C" for char in name):
        raise ValueError("must not contain control or format characters")
    return name


def _check_name(name: str) -> str:
    # a colon ends the user name in HTTP Basic (RFC 7617, section 2)
    if ":" in name:
        raise ValueError("must not contain a colon")
    return check_label(name)


Username = Annotated[
    StrictStr,
    Field(min_length=1, max_length=MAX_NAME_LENGTH),
    BeforeValidator(normalise_name),
    AfterValidator(_check_name),
]

ClassKey = Username


class User(BaseModel):
    """A user who may sign in.

    `password` is the stored hash; no printed form contains it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: Username
    password: str = Field(repr=False)
    class_key: ClassKey
    disabled: bool = False
    created_at: datetime | None = None
