"""The user model: valid names, and a password hash that is never printed."""

import sys
import unicodedata

import pytest
from pydantic import ValidationError

from pixy_core.users import MAX_NAME_LENGTH, User, has_control_characters, normalise_name


def make_user(username: object = "ada", class_key: object = "3b") -> User:
    """Validate a user with these names."""
    return User.model_validate(
        {"username": username, "password": "the-stored-hash", "class_key": class_key}
    )


@pytest.mark.parametrize("name", ["ada", "Ada Lovelace", "Zoë", "アダ", "x" * MAX_NAME_LENGTH])
def test_a_valid_name_is_kept(name: str) -> None:
    user = make_user(name, name)
    assert (user.username, user.class_key) == (name, name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ada",
        "ada ",
        "a:b",
        "a\nb",
        "a\x00b",
        "zero\u200bwidth",
        "x" * (MAX_NAME_LENGTH + 1),
        7,
    ],
)
def test_an_invalid_name_is_refused(name: object) -> None:
    with pytest.raises(ValidationError):
        make_user(username=name)
    with pytest.raises(ValidationError):
        make_user(class_key=name)


def test_two_unicode_forms_of_a_name_are_equal() -> None:
    assert make_user("Zoe\u0308") == make_user("Zo\u00eb")


def test_a_value_that_is_not_a_string_is_not_normalised() -> None:
    assert normalise_name(7) == 7


def test_the_password_is_not_printed() -> None:
    assert "the-stored-hash" not in f"{make_user()!r} {make_user()}"


def test_a_user_is_enabled_by_default() -> None:
    assert make_user().disabled is False


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        User.model_validate({"username": "a", "password": "b", "class_key": "c", "admin": True})


def test_a_name_of_maximum_length_may_be_decomposed() -> None:
    name = "\u1f82" * MAX_NAME_LENGTH
    assert make_user(username=unicodedata.normalize("NFD", name)).username == name


def test_a_name_that_is_too_long_in_every_form_is_not_normalised() -> None:
    name = "e" + "\u0301" * 1000
    assert normalise_name(name) is name


def test_control_characters_are_those_of_category_cc() -> None:
    for code in range(sys.maxunicode + 1):
        is_control = unicodedata.category(chr(code)) == "Cc"
        assert has_control_characters(f"a{chr(code)}b") == is_control
