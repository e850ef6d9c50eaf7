"""Fuzzing of the code that reads untrusted bytes: it refuses them, or reads them correctly."""

import base64
import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from pixy_core import InvalidCredentialsError, InvalidInputError
from pixy_data import Position
from pixy_service.cursors import Cursors
from pixy_web.http.json_body import parse_json_object
from pixy_web.runtime import parse_basic_token

CURSORS = Cursors(lambda: b"k" * 32, "user:ada")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_BYTES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    # pieces of JSON, valid or not
    st.lists(
        st.sampled_from(
            [
                *'{}[]:,"\\ \n',
                "null",
                "true",
                "NaN",
                "-Infinity",
                "1e999",
                "-0",
                '"prompt"',
                "\\ud800",
            ]
        ),
        max_size=60,
    ).map(lambda pieces: "".join(pieces).encode()),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
        max_leaves=30,
    ).map(lambda value: json.dumps(value).encode()),
)


def is_strict_json(value: Any) -> bool:
    """Return whether a value is unchanged by a strict writer and reader."""
    return bool(json.loads(json.dumps(value, allow_nan=False)) == value)


@given(JSON_BYTES)
def test_the_json_reader_refuses_or_reads_strict_json(body: bytes) -> None:
    try:
        value = parse_json_object(body)
    except (HTTPException, InvalidInputError):
        return
    assert is_strict_json(value)
    assert value == json.loads(body)


@given(st.text(max_size=200).map(lambda text: text.encode()) | st.binary(max_size=200))
def test_the_basic_parser_refuses_invalid_tokens(token: bytes) -> None:
    try:
        credentials = parse_basic_token(token, "")
    except InvalidCredentialsError:
        return
    decoded = f"{credentials.username}:{credentials.password}"
    assert decoded.encode() == base64.b64decode(token, validate=True)
    assert not any(unicodedata.category(char) == "Cc" for char in decoded)


@given(st.binary(max_size=100))
def test_the_basic_parser_reads_valid_tokens(raw: bytes) -> None:
    try:
        credentials = parse_basic_token(base64.b64encode(raw), "")
    except InvalidCredentialsError:
        text = raw.decode("utf-8", "replace")
        is_utf8 = text.encode() == raw
        assert not is_utf8 or ":" not in text or any(unicodedata.category(c) == "Cc" for c in text)
        return
    assert ":" not in credentials.username
    assert f"{credentials.username}:{credentials.password}".encode() == raw


@given(
    st.text(max_size=200)
    | st.binary(max_size=120).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
)
def test_a_random_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        CURSORS.decode(text)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.uuids(version=4).map(str),
    st.data(),
)
def test_a_cursor_is_read_back_and_a_changed_one_is_refused(
    created_at: datetime, guid: str, data: st.DataObject
) -> None:
    position = Position(created_at, guid)
    cursor = CURSORS.encode(position)
    assert CURSORS.decode(cursor) == position
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters().filter(lambda char: char != cursor[place]))
    with pytest.raises(InvalidInputError):
        CURSORS.decode(cursor[:place] + other + cursor[place + 1 :])
    with pytest.raises(InvalidInputError):
        Cursors(lambda: b"k" * 32, "user:bob").decode(cursor)
