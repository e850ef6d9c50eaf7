"""What reads a stranger's bytes, over bytes that hypothesis makes up: refused, or read as meant."""

import base64
import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request

from pixy_core import InvalidCredentialsError, InvalidInputError
from pixy_data import Position
from pixy_service.cursors import Cursors
from pixy_web.http.credentials import parse_basic_token
from pixy_web.http.json_body import read_json_object

LIMIT = 4096
CURSORS = Cursors(lambda: b"k" * 32, "user:ada")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_BYTES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    # what looks like JSON, piece by piece
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


def read(body: bytes, chunk: int = 7) -> dict[str, Any]:
    """Read a body as a route does, its chunks as they come."""
    parts = [body[i : i + chunk] for i in range(0, len(body), chunk)] or [b""]

    async def receive() -> dict[str, Any]:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    headers = [(b"content-type", b"application/json")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    reading = read_json_object(request, LIMIT)
    # a loop for each input would take longer than the reading, which has nothing to wait for
    with pytest.raises(StopIteration) as finished:
        reading.send(None)
    value: dict[str, Any] = finished.value.value
    return value


def is_strict_json(value: Any) -> bool:
    """Return whether a value survives a strict writer and reader."""
    return bool(json.loads(json.dumps(value, allow_nan=False)) == value)


@given(JSON_BYTES)
def test_the_json_reader_refuses_or_reads_strict_json(body: bytes) -> None:
    try:
        value = read(body)
    except (HTTPException, InvalidInputError):
        return
    assert is_strict_json(value)
    assert value == json.loads(body)


@given(st.text(max_size=200).map(lambda text: text.encode()) | st.binary(max_size=200))
def test_the_basic_parser_refuses_whatever_is_no_token(token: bytes) -> None:
    try:
        credentials = parse_basic_token(token, "")
    except InvalidCredentialsError:
        return
    decoded = f"{credentials.username}:{credentials.password}"
    assert decoded.encode() == base64.b64decode(token, validate=True)
    assert not any(unicodedata.category(char) == "Cc" for char in decoded)


@given(st.binary(max_size=100))
def test_the_basic_parser_reads_a_token_as_its_bytes_say(raw: bytes) -> None:
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
def test_a_cursor_that_was_never_given_out_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        CURSORS.decode(text)


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.uuids(version=4).map(str),
    st.data(),
)
def test_a_cursor_comes_back_and_a_changed_one_does_not(
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
