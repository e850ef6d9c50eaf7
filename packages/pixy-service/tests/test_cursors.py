from datetime import UTC, datetime

import pytest

from pixy_core import InvalidInputError
from pixy_data import Position
from pixy_service.cursors import Cursors

KEY = bytes(range(32))
POSITION = Position(
    datetime(2026, 11, 23, 12, 34, 56, 789012, UTC), "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
)


def open_cursors(scope: str = "public", key: bytes = KEY) -> Cursors:
    return Cursors(lambda: key, scope)


@pytest.mark.parametrize("year", [1, 1969, 2026, 9999])
def test_a_cursor_gives_back_its_position_to_the_microsecond(year: int) -> None:
    position = POSITION._replace(created_at=POSITION.created_at.replace(year=year))
    assert open_cursors().decode(open_cursors().encode(position)) == position


def test_a_cursor_needs_no_escaping_in_a_url() -> None:
    cursor = open_cursors().encode(POSITION)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert cursor.isascii()


def test_a_cursor_with_any_character_changed_is_refused() -> None:
    cursor = open_cursors().encode(POSITION)
    for index, char in enumerate(cursor):
        changed = cursor[:index] + ("A" if char != "A" else "B") + cursor[index + 1 :]
        with pytest.raises(InvalidInputError):
            open_cursors().decode(changed)


@pytest.mark.parametrize("scope", ["user:ann", "Public", "publi", "public\0", ""])
def test_a_cursor_of_another_scope_is_refused(scope: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        open_cursors(scope).decode(open_cursors().encode(POSITION))
    assert caught.value.errors[0][0] == ("cursor",)


def test_a_cursor_of_another_database_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        open_cursors(key=bytes(32)).decode(open_cursors().encode(POSITION))


@pytest.mark.parametrize(
    "cursor", ["", "A", "abc", "ä", "\ud83d", "\0", "A" * 75, "A" * 5000, "=", 7, b"bytes", "+/+/"]
)
def test_junk_is_refused(cursor: object) -> None:
    with pytest.raises(InvalidInputError):
        open_cursors().decode(cursor)


@pytest.mark.parametrize("extra", ["=", "\n", " ", "A", "%00"])
def test_a_cursor_with_something_added_is_refused(extra: str) -> None:
    with pytest.raises(InvalidInputError):
        open_cursors().decode(open_cursors().encode(POSITION) + extra)


def test_a_cursor_holds_the_bits_that_were_signed_and_no_others() -> None:
    # 56 bytes make 75 characters: the last one has two bits that decode to nothing
    cursor = open_cursors().encode(POSITION)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = alphabet[alphabet.index(cursor[-1]) + 1]
    with pytest.raises(InvalidInputError):
        open_cursors().decode(cursor[:-1] + twin)
