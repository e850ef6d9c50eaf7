"""The image models and the rules for their single values."""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictStr,
    ValidationInfo,
    field_validator,
)

MAX_PROMPT_LENGTH = 32_000
"""Characters; the limit of OpenAI's gpt-image models."""

MAX_SOURCES = 16
"""Images that one image can be made from; the limit of OpenAI's image edits."""

MAX_MODEL_LENGTH = 255
"""Characters of a model's name."""

AUTO = "auto"
"""As a size or quality: the model chooses."""

SIZE_PATTERN = "^(auto|[1-9][0-9]{2,3}x[1-9][0-9]{2,3})$"
# the limits of OpenAI's image models since gpt-image-2
_MAX_SIDE = 3840
_MIN_PIXELS, _MAX_PIXELS = 655_360, 8_294_400
_STEP, _MAX_RATIO = 16, 3
_size = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})", re.ASCII)

GUID_REGEX = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""The canonical lower-case form of RFC 9562, section 4, and no other spelling."""

GUID_PATTERN = f"^{GUID_REGEX}$"

IMAGE_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
"""The media types of images, with the extensions of their file names."""

THUMBNAIL_EXTENSIONS = {"image/webp": "webp", "image/avif": "avif"}
"""The media types of thumbnails, with the extensions of their file names."""

# Unicode's categories Cc (except tab, newline, carriage return and escape), Cf (zero-width
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
"""The rule for a prompt's characters, for JSON schemas; `Prompt` applies it."""

_forbidden = re.compile(f"[{_FORBIDDEN}]")
_visible = re.compile(f"[^{_INVISIBLE}]")


class Visibility(StrEnum):
    """Who may see an image, apart from its owner."""

    PRIVATE = "private"
    CLASS = "class"
    PUBLIC = "public"


class Quality(StrEnum):
    """How much work the model puts into an image; more takes longer and costs more."""

    AUTO = AUTO
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class OutputFormat(StrEnum):
    """The format of an image file."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"


COMPRESSED_FORMATS = (OutputFormat.JPEG, OutputFormat.WEBP)


class Background(StrEnum):
    """What is behind the subject of an image."""

    AUTO = AUTO
    OPAQUE = "opaque"
    TRANSPARENT = "transparent"


class Moderation(StrEnum):
    """How strictly the provider moderates an image."""

    AUTO = AUTO
    LOW = "low"


def _check_prompt(prompt: str) -> str:
    if _forbidden.search(prompt):
        raise ValueError("must not contain control characters")
    if not _visible.search(prompt):
        raise ValueError("must not be blank")
    return prompt


def read_size(size: str) -> tuple[int, int] | None:
    """Return the width and height of a size in pixels; None for `auto`."""
    match = _size.fullmatch(size)
    return None if match is None else (int(match[1]), int(match[2]))


def _check_size(size: str) -> str:
    sides = read_size(size)
    if sides is None:
        if size != AUTO:
            raise ValueError("must be auto, or a width and a height such as 1536x1024")
        return size
    short, long = sorted(sides)
    if short % _STEP or long % _STEP:
        raise ValueError(f"must have sides that are multiples of {_STEP}")
    if long > _MAX_RATIO * short:
        raise ValueError(f"must not be more than {_MAX_RATIO} times as long as wide")
    if long > _MAX_SIDE:
        raise ValueError(f"must not have a side longer than {_MAX_SIDE}")
    if not _MIN_PIXELS <= short * long <= _MAX_PIXELS:
        raise ValueError(f"must have {_MIN_PIXELS:,} to {_MAX_PIXELS:,} pixels in all")
    return size


Prompt = Annotated[
    StrictStr,
    Field(
        min_length=1,
        max_length=MAX_PROMPT_LENGTH,
        description="What to draw, stored byte for byte. It needs one visible character. Control "
        "characters other than tab, newline, carriage return and escape are not allowed.",
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
        description="The image's public id: a UUID in its canonical lower-case form.",
        examples=["0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"],
    ),
]


UPLOAD_GENERATOR = "upload"
"""The generator of images that nobody generated: a user has uploaded them."""


class ImageDetailCreate(BaseModel):
    """What a caller asks for: the prompt and who may see the image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Prompt
    visibility: Visibility = Field(
        Visibility.PRIVATE,
        description="`private`: the owner only. `class`: everyone in the owner's class. "
        "`public`: everyone, signed in or not.",
    )


class ImageRequest(ImageDetailCreate):
    """What a caller asks for, with all options; None leaves an option to the generator."""

    size: Annotated[StrictStr, AfterValidator(_check_size)] = Field(
        AUTO,
        description="Width and height in pixels, such as `1536x1024`: both multiples of 16 and "
        "at most 3840, the longer at most three times the shorter, 655,360 to 8,294,400 pixels in "
        "all. `auto`: the model chooses.",
        examples=["1536x1024"],
        json_schema_extra={"pattern": SIZE_PATTERN},
    )
    quality: Quality = Field(
        Quality.AUTO,
        description="Higher quality takes longer and costs more. `auto`: the model chooses. "
        "`xhigh` and `max` need a model that knows them.",
    )

    model: StrictStr | None = Field(
        None,
        max_length=MAX_MODEL_LENGTH,
        description="One of this server's models. Without it, the default model.",
        examples=["gpt-image-2.6-flare"],
    )
    output_format: OutputFormat | None = Field(
        None, description="The format of the file. Without it, `png`."
    )
    background: Background | None = Field(
        None, description="`transparent` needs `png` or `webp`. Without it, the model chooses."
    )
    output_compression: Annotated[int, Field(strict=True, ge=0, le=100)] | None = Field(
        None, description="Per cent, for `jpeg` and `webp` only: 100 is the best quality."
    )
    moderation: Moderation | None = Field(
        None, description="`low` lets the provider's moderation reject less."
    )
    sources: Annotated[tuple[Guid, ...], Field(min_length=1, max_length=MAX_SOURCES)] | None = (
        Field(
            None,
            description="Images that the new one is made from, by guid. Their order matters. The "
            "caller must be able to see them.",
        )
    )
    mask: Guid | None = Field(
        None,
        description="A PNG as large as the first source. Only its transparent area is redrawn.",
    )

    @field_validator("background")
    @classmethod
    def _check_background(
        cls, background: Background | None, info: ValidationInfo
    ) -> Background | None:
        is_jpeg = info.data.get("output_format") == OutputFormat.JPEG
        if background == Background.TRANSPARENT and is_jpeg:
            raise ValueError("must not be transparent with the output format jpeg")
        return background

    @field_validator("output_compression")
    @classmethod
    def _check_compression(cls, percent: int | None, info: ValidationInfo) -> int | None:
        if percent is not None and info.data.get("output_format") not in COMPRESSED_FORMATS:
            raise ValueError("needs the output format jpeg or webp")
        return percent

    @field_validator("mask")
    @classmethod
    def _check_mask(cls, mask: str | None, info: ValidationInfo) -> str | None:
        if mask is not None and info.data.get("sources") is None:
            raise ValueError("needs sources")
        return mask


class ImageDetailUpdate(BaseModel):
    """What an owner may change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    visibility: Visibility


class ImageDetail(ImageDetailCreate):
    """What a caller may know about an image.

    The fields after `filename` are optional for callers that construct the model. A service sets
    all of them, but `owner` for signed-in callers only.
    """

    guid: Guid
    filename: str = Field(description="Its name in the image store.", examples=["0f8f1a52.png"])
    owner: str | None = Field(
        None, description="The owner's user name. Only signed-in callers get it."
    )
    media_type: str | None = Field(None, description="RFC 9110, section 8.3.1.")
    width: int | None = Field(None, description="Pixels.")
    height: int | None = Field(None, description="Pixels.")
    size: int | None = Field(None, description="Bytes of the image file.")
    sha256: str | None = Field(None, description="Of the image file, lower-case hexadecimal.")
    generator: str | None = Field(
        None,
        description="What made it: `openai`, `sketch`, the offline generator, or `upload`.",
    )
    model: str | None = Field(None, description="The generator's model.")


class Image(ImageDetail):
    """An image that is stored."""

    # internal: no dump, JSON or printed form of the model contains it
    id: int = Field(exclude=True, repr=False)
    status: Literal["ready"] = Field(
        "ready", description="Always `ready`: before that, the resource is a creation."
    )
    created_at: datetime = Field(description="UTC, to the microsecond.")
    updated_at: datetime = Field(description="UTC, to the microsecond.")


MAX_USAGE_BYTES = 4096
"""Of `usage` as JSON; OpenAI's has about 200."""

MAX_USAGE_LEVELS = 8
"""Objects and arrays in `usage` that are in each other."""


class Purchase(BaseModel):
    """What was asked of a generator for an image, and what its provider reported."""

    model_config = ConfigDict(frozen=True)

    size: str = Field(AUTO, description="The requested size.")
    quality: str = Field(AUTO, description="The requested quality.")
    reported: dict[str, str] = Field(
        default_factory=dict,
        description="The provider's own `size`, `quality`, `background` and `output_format`.",
    )
    usage: dict[str, Any] | None = Field(
        None, description="What the provider charged for: its `usage`, unchanged."
    )
    upstream_request_id: str | None = Field(
        None, description="The provider's own id of its request."
    )


class SourceRole(StrEnum):
    """What a source was for an image."""

    IMAGE = "image"
    MASK = "mask"


class ImageSource(BaseModel):
    """An image that another one was made from."""

    model_config = ConfigDict(frozen=True)

    guid: Guid
    sha256: str = Field(description="Of the source's file; it is kept when the source is deleted.")
    role: SourceRole = Field(description="`image`, or `mask` for the mask of an edit.")


class DetailedImage(Image):
    """An image with what only a read of its details tells."""

    # internal, like the id
    source_count: int = Field(0, exclude=True, repr=False)
    purchase: Purchase | None = Field(None, description="What was bought. Only the owner gets it.")
    sources: list[ImageSource] | None = Field(
        None, description="What the image was made from: the sources that the caller may see."
    )
