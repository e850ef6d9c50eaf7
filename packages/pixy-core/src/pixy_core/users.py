"""The user model, and what a user may be called.

How a password is checked is no concern of this module.
"""

import re
import unicodedata
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr

MAX_NAME_LENGTH = 64
"""Characters of a user name or class key."""

# Unicode Standard Annex #15, section 14: what one character of NFC may be in another form
_MOST_DECOMPOSED = 4
# all of general category Cc, which will never have more. What `isprintable` calls printable holds
# nothing of any category C, and it says so much sooner
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def normalise_name(name: object) -> object:
    """Return a name in Unicode's NFC form, so that one spelling stands for each.

    Args:
        name: A user name or class key; anything but a string is returned as it is, and so is
            one that is too long in every form.
    """
    if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH * _MOST_DECOMPOSED:
        return name
    return unicodedata.normalize("NFC", name)


def has_control_characters(text: str) -> bool:
    """Return whether a text holds one of Unicode's general category Cc.

    Args:
        text: Of any length.
    """
    return not text.isprintable() and _CONTROL.search(text) is not None


def _check_name(name: str) -> str:
    # MySQL's utf8mb4_bin compares without trailing spaces
    if name != name.strip():
        raise ValueError("must not begin or end with white space")
    # a colon ends the user name in HTTP Basic (RFC 7617, section 2)
    if ":" in name:
        raise ValueError("must not contain a colon")
    if not name.isprintable() and any(unicodedata.category(char)[0] == "C" for char in name):
        raise ValueError("must not contain control or format characters")
    return name


Username = Annotated[
    StrictStr,
    Field(min_length=1, max_length=MAX_NAME_LENGTH),
    BeforeValidator(normalise_name),
    AfterValidator(_check_name),
]

ClassKey = Username


class User(BaseModel):
    """Somebody who may sign in.

    `password` is the stored hash, never what the user types; no printed form contains it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: Username
    password: str = Field(repr=False)
    class_key: ClassKey
    disabled: bool = False
    created_at: datetime | None = None
