"""What a caller may ask for beside the prompt: how large the picture is, and how well drawn.

Which of it a model can do is known to its generator.
"""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StrictStr

from pixy_core.images import ImageDetailCreate

AUTO = "auto"
SIZE_PATTERN = "^(auto|[1-9][0-9]{2,3}x[1-9][0-9]{2,3})$"
# the limits of OpenAI's image models since gpt-image-2
LONGEST_SIDE = 3840
FEWEST_PIXELS, MOST_PIXELS = 655_360, 8_294_400
_STEP, _MOST_UNEVEN = 16, 3

_size = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})", re.ASCII)


class Quality(StrEnum):
    """How much work goes into a picture; more of it takes longer and costs more."""

    AUTO = AUTO
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


def read_size(size: str) -> tuple[int, int] | None:
    """Return the width and height that a size names, in pixels; None for `auto`.

    Args:
        size: A valid one.
    """
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
    if long > _MOST_UNEVEN * short:
        raise ValueError(f"must not be more than {_MOST_UNEVEN} times as long as wide")
    if long > LONGEST_SIDE:
        raise ValueError(f"must not have a side longer than {LONGEST_SIDE}")
    if not FEWEST_PIXELS <= short * long <= MOST_PIXELS:
        raise ValueError(f"must have {FEWEST_PIXELS:,} to {MOST_PIXELS:,} pixels in all")
    return size


class ImageRequest(ImageDetailCreate):
    """What a caller asks for, with how it is to be drawn."""

    size: Annotated[StrictStr, AfterValidator(_check_size)] = Field(
        AUTO,
        description="Width and height in pixels, such as `1536x1024`: both multiples of 16, "
        "neither more than three times the other or over 3840, and 655,360 to 8,294,400 pixels in "
        "all. `auto`: the model chooses.",
        examples=["1536x1024"],
        json_schema_extra={"pattern": SIZE_PATTERN},
    )
    quality: Quality = Field(
        Quality.AUTO,
        description="More of it takes longer and costs more. `auto`: the model chooses. `xhigh` "
        "and `max` need a model that knows them.",
    )
