"""Server-sent events, in whatever pieces their bytes arrive."""

import pytest

from pixy_service.generators.openai.formats import Event, EventReader

STREAM = (
    b"\xef\xbb\xbf: comment\n\nevent: one\ndata: {\ndata:  1}\nid: 5\n\n"
    b"data\n\ndata:two\r\n\r\nevent: three\r\rdata: \xc3\xa9\r\r\ndata: x\nevent: four"
)
EVENTS = [
    Event("one", "{\n 1}"),
    Event("", "two"),
    Event("", "\xc3\xa9"),
    Event("four", "x"),
]


def read_in_pieces(content: bytes, length: int) -> list[Event]:
    received = bytearray()
    reader = EventReader(received)
    events = []
    for start in range(0, len(content), length):
        received += content[start : start + length]
        events += reader.read()
    return [*events, *reader.read_rest()]


@pytest.mark.parametrize("length", range(1, len(STREAM) + 1))
def test_events_are_the_same_in_pieces_of_every_length(length: int) -> None:
    assert read_in_pieces(STREAM, length) == EVENTS


def test_an_event_is_there_as_soon_as_it_is_whole() -> None:
    received = bytearray(b"data: 1\n\ndata: 2\n")
    reader = EventReader(received)
    assert list(reader.read()) == [Event("", "1")]
    received += b"\n"
    assert list(reader.read()) == [Event("", "2")]
    assert list(reader.read_rest()) == []


def test_a_line_that_is_no_field_goes_on_with_the_data() -> None:
    assert read_in_pieces(b'data: {\n"a": 1}\n\n"b"\n\n', 100) == [Event("", '{\n"a": 1}')]
