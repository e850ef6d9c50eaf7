"""The image models: which values they accept, and which they never print."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from pixy_core.images import (
    MAX_PROMPT_LENGTH,
    Image,
    ImageDetail,
    ImageDetailCreate,
    ImageDetailUpdate,
    ImageRequest,
    Quality,
    Visibility,
    read_size,
)

GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"


def make_image() -> Image:
    """Return an image as the database stores it."""
    now = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    return Image(
        prompt="a lighthouse",
        guid=GUID,
        filename=f"{GUID}.png",
        id=90210,
        created_at=now,
        updated_at=now,
    )


@pytest.mark.parametrize(
    "prompt",
    [
        "a lighthouse",
        "  leading and trailing  ",
        "two\r\nlines\tand a tab",
        "\x1b[31mred\x1b[0m",
        "👩‍🚀",
        "\u202eright to left",
        "Robert'); DROP TABLE images;-- %s {0}",
        "x" * MAX_PROMPT_LENGTH,
        "👩" * MAX_PROMPT_LENGTH,
    ],
)
def test_a_prompt_is_kept_byte_for_byte(prompt: str) -> None:
    assert ImageDetailCreate(prompt=prompt).prompt == prompt


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " \n\t",
        "\u200b\u200d\ufeff",
        "\ufe0f\u034f\u3164\u2065\u2800",
        "nul\x00",
        "bell\x07",
        "c1 control \x85",
        "x" * (MAX_PROMPT_LENGTH + 1),
        b"bytes",
        7,
        None,
    ],
)
def test_a_prompt_that_cannot_be_drawn_is_refused(prompt: object) -> None:
    with pytest.raises(ValidationError):
        ImageDetailCreate.model_validate({"prompt": prompt})


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValidationError):
        ImageDetailCreate(prompt="\ud800")


def test_an_image_is_private_by_default() -> None:
    assert ImageDetailCreate(prompt="x").visibility is Visibility.PRIVATE


@pytest.mark.parametrize("model", [ImageDetailCreate, ImageDetailUpdate])
def test_an_unknown_field_is_refused(model: type[ImageDetailCreate | ImageDetailUpdate]) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        model.model_validate({"prompt": "x", "visibility": "class", "id": 1})


def test_a_visibility_is_one_of_three_words() -> None:
    with pytest.raises(ValidationError):
        ImageDetailUpdate.model_validate({"visibility": "friends"})


@pytest.mark.parametrize(
    "guid",
    [
        "1",
        GUID.upper(),
        GUID.replace("-", ""),
        f"{{{GUID}}}",
        f"urn:uuid:{GUID}",
        f"{GUID}\n",
        f"../{GUID}",
        "",
    ],
)
def test_a_guid_has_one_spelling(guid: str) -> None:
    with pytest.raises(ValidationError):
        ImageDetail(prompt="x", guid=guid, filename="x.png")


def test_no_dump_and_no_printed_form_contains_the_integer_id() -> None:
    image = make_image()
    written = f"{image!r} {image} {image.model_dump()} {image.model_dump_json()}"
    assert image.id == 90210
    assert "90210" not in written


def test_the_schema_of_a_dump_does_not_name_the_integer_id() -> None:
    assert "id" not in Image.model_json_schema(mode="serialization")["properties"]


def test_times_keep_their_microseconds() -> None:
    assert '"2026-01-02T03:04:05.678901Z"' in make_image().model_dump_json()


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
def test_a_valid_size_is_accepted(size: str, sides: tuple[int, int] | None) -> None:
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


def test_a_quality_is_one_that_a_model_knows() -> None:
    for quality in ("auto", "low", "medium", "high", "xhigh", "max"):
        request = ImageRequest.model_validate({"prompt": "x", "quality": quality})
        assert request.quality is Quality(quality)
    for refused in ("", "High", "hd", "standard", None, 1):
        with pytest.raises(ValidationError):
            ImageRequest.model_validate({"prompt": "x", "quality": refused})


def test_the_model_chooses_by_default() -> None:
    request = ImageRequest(prompt="x")
    assert (request.size, request.quality) == ("auto", "auto")
