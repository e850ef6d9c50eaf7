"""The image models: which values they take, and what they keep to themselves."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from pixy_core.images import (
    MAX_PROMPT_LENGTH,
    Image,
    ImageDetail,
    ImageDetailCreate,
    ImageDetailUpdate,
    Visibility,
)

GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"


def make_image() -> Image:
    """Return an image as the database would hold it."""
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


def test_an_image_is_private_unless_said_otherwise() -> None:
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


def test_the_integer_id_leaves_in_no_dump_and_no_printed_form() -> None:
    image = make_image()
    written = f"{image!r} {image} {image.model_dump()} {image.model_dump_json()}"
    assert image.id == 90210
    assert "90210" not in written


def test_the_schema_of_what_leaves_does_not_name_the_integer_id() -> None:
    assert "id" not in Image.model_json_schema(mode="serialization")["properties"]


def test_times_keep_their_microseconds() -> None:
    assert '"2026-01-02T03:04:05.678901Z"' in make_image().model_dump_json()
