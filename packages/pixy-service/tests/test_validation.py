from typing import Any

import pytest

from pixy_core import ImageDetail, ImageDetailCreate, InvalidInputError, Visibility
from pixy_service.validation import (
    MAX_PAGE_SIZE,
    validate_create,
    validate_guid,
    validate_limit,
    validate_username,
    validate_visibility,
)

GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"


def test_a_canonical_guid_is_returned_as_it_is() -> None:
    assert validate_guid(GUID) == GUID


@pytest.mark.parametrize(
    "guid",
    [
        "",
        "1",
        2,
        None,
        b"0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11",
        GUID.upper(),
        GUID.replace("-", ""),
        f"{{{GUID}}}",
        f"urn:uuid:{GUID}",
        f" {GUID}",
        f"{GUID}\n",
        f"{GUID}\0",
        f"../{GUID}",
        GUID.replace("0f", "\u0660f"),
        "a" * 5000,
    ],
)
def test_any_other_spelling_of_a_guid_is_refused(guid: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        validate_guid(guid)
    assert caught.value.errors[0][0] == ("guid",)


@pytest.mark.parametrize("limit", [1, MAX_PAGE_SIZE])
def test_the_edges_of_the_limit_are_allowed(limit: int) -> None:
    assert validate_limit(limit) == limit


@pytest.mark.parametrize("limit", [0, -1, MAX_PAGE_SIZE + 1, "10", 1.0, True, None, 10**30])
def test_a_limit_out_of_range_or_of_another_type_is_refused(limit: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        validate_limit(limit)
    assert caught.value.errors[0][0] == ("limit",)


@pytest.mark.parametrize("prompt", ["", " \n\t", "\u200b\u2060", "nul\0", "bell\a", "a" * 32_001])
def test_a_prompt_that_breaks_a_rule_is_refused_although_no_model_was_asked(prompt: str) -> None:
    image = ImageDetailCreate.model_construct(prompt=prompt, visibility=Visibility.PUBLIC)
    with pytest.raises(InvalidInputError) as caught:
        validate_create(image)
    assert caught.value.errors[0][0] == ("prompt",)


def test_a_lone_surrogate_in_a_prompt_is_refused() -> None:
    image = ImageDetailCreate.model_construct(prompt="half \ud83d", visibility=Visibility.PUBLIC)
    with pytest.raises(InvalidInputError):
        validate_create(image)


@pytest.mark.parametrize("fields", [{}, {"prompt": 1}, {"prompt": "x", "visibility": "secret"}])
def test_a_model_made_without_validation_is_validated_here(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        validate_create(ImageDetailCreate.model_construct(**fields))


def test_a_model_with_more_fields_than_a_caller_may_set_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        validate_create(ImageDetail(prompt="x", guid=GUID, filename="x.png"))


@pytest.mark.parametrize("image", [None, "a prompt", [], object()])
def test_an_object_that_is_not_a_model_is_refused(image: object) -> None:
    with pytest.raises(InvalidInputError):
        validate_create(image)


@pytest.mark.parametrize("prompt", ["🦊", "a\r\nb", "\u202eright to left", "\x1b[31mred", "%s {0}"])
def test_a_hostile_but_allowed_prompt_is_kept_as_it_is(prompt: str) -> None:
    assert validate_create(ImageDetailCreate(prompt=prompt)).prompt == prompt


def test_a_reason_never_repeats_the_value() -> None:
    image = ImageDetailCreate.model_construct(
        prompt="secret-prompt\0",
        visibility="secret-visibility",  # type: ignore[arg-type]
    )
    with pytest.raises(InvalidInputError) as caught:
        validate_create(image)
    assert "secret" not in str(caught.value.errors)


def test_a_reason_has_no_prefix_of_the_validation_library() -> None:
    image = ImageDetailCreate.model_construct(prompt=" ", visibility=Visibility.PUBLIC)
    with pytest.raises(InvalidInputError) as caught:
        validate_create(image)
    assert caught.value.errors == ((("prompt",), "must not be blank"),)


def test_a_name_is_returned_in_its_composed_form() -> None:
    assert validate_username("ba\u0308r") == "b\u00e4r"


def test_a_visibility_is_returned_as_the_enumeration_s_member() -> None:
    assert validate_visibility("class") is Visibility.CLASS


@pytest.mark.parametrize("visibility", ["Public", "", None, 1])
def test_an_unknown_visibility_is_refused(visibility: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        validate_visibility(visibility)
    assert caught.value.errors[0][0] == ("visibility",)
