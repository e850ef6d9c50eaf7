"""Sizes and qualities that may be asked for."""

from typing import Any

import pytest
from pydantic import ValidationError

from pixy_core import ImageRequest, Quality
from pixy_core.image_requests import read_size


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ("auto", None),
        ("1024x1024", (1024, 1024)),
        ("1536x864", (1536, 864)),
        ("3840x2160", (3840, 2160)),
        ("2160x3840", (2160, 3840)),
        ("1024x640", (1024, 640)),
        ("2880x2880", (2880, 2880)),
        ("3840x1280", (3840, 1280)),
        ("1024x3072", (1024, 3072)),
    ],
)
def test_a_size_within_the_rules_is_taken(size: str, sides: tuple[int, int] | None) -> None:
    assert ImageRequest(prompt="x", size=size).size == size
    assert read_size(size) == sides


@pytest.mark.parametrize(
    "size",
    [
        *(
            "",
            "Auto",
            "1024",
            "1024x",
            "x1024",
            "1024X1024",
            "1024×1024",
            " 1024x1024",
            "1024x1024\n",
        ),
        *("0x16", "016x16", "-16x16", "16.0x16", "1e3x16", "16x16x16", "१६x१६"),
        *("1000x1024", "1024x1000", "8x16"),
        *("1024x3088", "1536x496", "3856x2160", "3840x2176", "9984x9984", "99999x99999"),
        *("16x16", "48x16", "512x512", "800x800", "1008x640", "2896x2880"),
        *(None, 1024, ["auto"], b"auto"),
    ],
    ids=repr,
)
def test_any_other_size_is_refused(size: Any) -> None:
    with pytest.raises(ValidationError):
        ImageRequest.model_validate({"prompt": "x", "size": size})


def test_a_quality_is_one_of_those_that_models_know() -> None:
    for quality in ("auto", "low", "medium", "high", "xhigh", "max"):
        request = ImageRequest.model_validate({"prompt": "x", "quality": quality})
        assert request.quality is Quality(quality)
    for refused in ("", "High", "hd", "standard", None, 1):
        with pytest.raises(ValidationError):
            ImageRequest.model_validate({"prompt": "x", "quality": refused})


def test_the_model_chooses_what_is_not_asked_for() -> None:
    request = ImageRequest(prompt="x")
    assert (request.size, request.quality) == ("auto", "auto")
