"""Server-sent events (HTML standard, section 9.2.6), read from a growing buffer."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_CR = 0x0D
_line_end = re.compile(rb"[\r\n]")
# white space and a byte-order mark before a field are more than the standard allows
_field = re.compile(rb"(?:\xef\xbb\xbf)?[ \t]*(data|event|id|retry|)(?:: ?|$)", re.IGNORECASE)


class Event(NamedTuple):
    """One event.

    Attributes:
        name: The `event` field, or "".
        data: The `data` fields, one character for each byte: no byte is refused, and one non-ASCII
            letter does not multiply the memory of a large image.
    """

    name: str
    data: str


class EventReader:
    """Reads each event of a growing buffer once.

    Args:
        received: The buffer, which is not copied.
    """

    def __init__(self, received: bytearray) -> None:
        self._received = received
        self._line = 0
        self._searched = 0
        self._name = ""
        self._data: list[str] = []

    def read(self) -> Iterator[Event]:
        """Yield the events that are complete since the last call."""
        while match := _line_end.search(self._received, self._searched):
            end, self._searched = match.span()
            if self._received[end : end + 2] == b"\r\n":
                self._searched += 1
            elif self._received[end] == _CR and self._searched == len(self._received):
                # the rest of this line's end may follow
                self._searched = end
                return
            start, self._line = self._line, self._searched
            if start < end:
                self._take_line(start, end)
            elif event := self._take_event():
                yield event
        self._searched = len(self._received)

    def read_rest(self) -> Iterator[Event]:
        """Yield the last event, even without its final blank line."""
        yield from self.read()
        if self._line < len(self._received):
            self._take_line(self._line, len(self._received))
            self._line = len(self._received)
        if event := self._take_event():
            yield event

    def _take_line(self, start: int, end: int) -> None:
        match = _field.match(self._received, start, end)
        # a line that is no field goes on with the data: some servers forget the prefix
        name = b"data" if match is None else match[1].lower()
        with memoryview(self._received) as view:
            value = str(view[start if match is None else match.end() : end], "latin-1")
        if name == b"event":
            self._name = value.strip()
        elif name == b"data" and (match or self._data):
            self._data.append(value)

    def _take_event(self) -> Event | None:
        name, data = self._name, "\n".join(self._data)
        self._name, self._data = "", []
        return Event(name, data) if data else None
