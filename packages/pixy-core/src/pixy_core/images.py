"""The image models, from what a caller asks for to what the database holds.

Rules of a single value stand here; who may see an image does not.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

MAX_PROMPT_LENGTH = 32_000
"""Characters; the limit of OpenAI's gpt-image models."""

GUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
"""The canonical lower-case form of RFC 9562, section 4, and no other spelling."""

# Unicode's categories Cc (but for tab, newline, carriage return and escape), Cf (zero-width
# joiners, direction marks, tags) and Z (separators), and its property Default_Ignorable_Code_Point
# (fillers, variation selectors), with the blank of Braille: as ranges for a regular expression
_FORBIDDEN = "\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f"
_INVISIBLE = (
    "\t\n\r\x1b \u00a0\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    "\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
PROMPT_PATTERN = f"^[^{_FORBIDDEN}]*[^{_FORBIDDEN}{_INVISIBLE}][^{_FORBIDDEN}]*$"
"""The rule for a prompt's characters, for those who describe it; `Prompt` itself applies it."""

_forbidden = re.compile(f"[{_FORBIDDEN}]")
_visible = re.compile(f"[^{_INVISIBLE}]")


class Visibility(StrEnum):
    """Who may see an image, apart from its owner."""

    PRIVATE = "private"
    CLASS = "class"
    PUBLIC = "public"


def _check_prompt(prompt: str) -> str:
    if _forbidden.search(prompt):
        raise ValueError("must not contain control characters")
    if not _visible.search(prompt):
        raise ValueError("must not be blank")
    return prompt


Prompt = Annotated[
    StrictStr,
    Field(
        min_length=1,
        max_length=MAX_PROMPT_LENGTH,
        description="What to draw, kept byte for byte. It needs one visible character, and may "
        "hold no control characters but tab, newline, carriage return and escape.",
        examples=["a lighthouse at dusk, in the style of a woodcut"],
        json_schema_extra={"pattern": PROMPT_PATTERN},
    ),
    AfterValidator(_check_prompt),
]

Guid = Annotated[
    StrictStr,
    Field(
        pattern=GUID_PATTERN,
        min_length=36,
        max_length=36,
        description="The image's public name: a UUID in its canonical lower-case form.",
        examples=["0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"],
    ),
]


class ImageDetailCreate(BaseModel):
    """What a caller asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Prompt
    visibility: Visibility = Field(
        Visibility.PRIVATE,
        description="`private`: its owner only. `class`: everyone of the owner's class. "
        "`public`: everyone, signed in or not.",
    )


class ImageDetailUpdate(BaseModel):
    """What an owner may change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    visibility: Visibility


class ImageDetail(ImageDetailCreate):
    """What a caller may know of an image.

    What follows `filename` is None on an object built by hand; a service fills it, but for
    `owner`, which it tells to signed-in callers only.
    """

    guid: Guid
    filename: str = Field(description="Its name in the image store.", examples=["0f8f1a52.png"])
    owner: str | None = Field(
        None, description="Its owner's user name, told to signed-in callers only."
    )
    media_type: str | None = Field(None, description="RFC 9110, section 8.3.1.")
    width: int | None = Field(None, description="Pixels.")
    height: int | None = Field(None, description="Pixels.")
    size: int | None = Field(None, description="Bytes of the image file.")
    sha256: str | None = Field(None, description="Of the image file, lower-case hexadecimal.")
    generator: str | None = Field(
        None, description="What made it: `openai`, or `sketch` for the offline stand-in."
    )
    model: str | None = Field(None, description="The generator's model.")


class Image(ImageDetail):
    """An image that is stored."""

    # for this process only: no dump, JSON or printed form of the model contains it
    id: int = Field(exclude=True, repr=False)
    status: Literal["ready"] = Field(
        "ready", description="Always `ready`: an image that is not there yet is a creation."
    )
    created_at: datetime = Field(description="UTC, to the microsecond.")
    updated_at: datetime = Field(description="UTC, to the microsecond.")
