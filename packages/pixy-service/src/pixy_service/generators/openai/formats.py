"""Lenient readers of the formats of an answer: server-sent events, JSON and base64.

They read what can be read, refuse nothing and never raise. Whether bytes are an image is found out
when they are decoded.
"""

import binascii
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import unquote

# server-sent events
_CR = 0x0D
_line_end = re.compile(rb"[\r\n]")
# white space and a byte-order mark before a field are more than the standard allows
_field = re.compile(rb"(?:\xef\xbb\xbf)?[ \t]*(data|event|id|retry|)(?:: ?|$)", re.IGNORECASE)


class Number(str):
    """A JSON number as text, so that none is too long, and an error code needs no quotes."""

    __slots__ = ()


# JSON
_decoder = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=str, strict=False)
_MOST_DOCUMENTS = 1000
_MOST_BRANCHES = 100_000
"""An answer has some dozens; in memory each takes many times the bytes that it is written with."""

_begins_json = re.compile(r"\s*[{\[]").match
# between documents; the bytes of a byte-order mark may be characters here
_gap = re.compile("(?:[\\s\x00\x1e,]|\xef\xbb\xbf|\ufeff)*")

# base64 (RFC 4648), as providers and gateways write it
_MOST_FOUND = 10
_LONGEST_HEAD = 1000
"""Characters before an image, such as the head of a `data:` URL."""

# how a PNG, a JPEG and a WebP begin in either alphabet; JSON may escape a slash
_SIGNATURE = r"iVBORw0KGgo|\\?/9j\\?/|_9j_|UklGR"
_begins_image = re.compile(_SIGNATURE).search
_find_images = re.compile(rf"(?:{_SIGNATURE})[\w+/=\\\s-]*", re.ASCII).finditer

_ALPHABET = bytes.maketrans(b"-_", b"+/")
"""From the URL-safe alphabet to the usual one."""

_LETTERS = bytes(code for code in range(128) if chr(code).isalnum())
_OTHERS = bytes(set(range(256)) - set(_LETTERS + b"+/-_="))
_escape = re.compile(r"\\(?:[nrt]|u00([0-9A-Fa-f]{2}))")


class Event(NamedTuple):
    """One server-sent event.

    Attributes:
        name: The `event` field, or "".
        data: The `data` fields, one character for each byte: no byte is refused, and one non-ASCII
            letter does not multiply the memory of a large image.
    """

    name: str
    data: str


class EventReader:
    """Reads each server-sent event (HTML standard, section 9.2.6) of a growing buffer once.

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


def parse_documents(text: str) -> list[Any]:
    """Return the consecutive JSON documents at the start of a text."""
    documents: list[Any] = []
    position = 0
    if sum(map(text.count, ",[{")) > _MOST_BRANCHES:
        return documents
    try:
        while len(documents) < _MOST_DOCUMENTS and (gap := _gap.match(text, position)):
            document, position = _decoder.raw_decode(text, gap.end())
            # JSON within JSON, as gateways make that treat a body as text
            is_json = isinstance(document, str) and _begins_json(document)
            documents += parse_documents(document) if is_json else [document]
    except (ValueError, RecursionError):
        pass
    return documents


def decode_text(content: bytes | bytearray) -> str:
    """Return the text of JSON, one character for each byte; only UTF-16 and UTF-32 are decoded.

    Only its ASCII is read. No byte is refused, and one non-ASCII letter does not multiply the
    memory of a large image.
    """
    encoding = json.detect_encoding(bytes(content[:4]))
    return str(content, "latin-1" if encoding.startswith("utf-8") else encoding, "replace")


def begins_image(text: str) -> bool:
    """Return whether a text begins like an image in base64, perhaps in a `data:` URL."""
    return _begins_image(text, 0, _LONGEST_HEAD) is not None


def find_base64(text: str) -> list[str]:
    """Return the parts of a text that begin like images in base64, the longest first."""
    found = (match[0] for match in islice(_find_images(text), _MOST_FOUND))
    return sorted(found, key=len, reverse=True)


def decode_base64(text: str) -> bytes:
    """Decode base64 of either alphabet, with or without padding, line breaks or a `data:` prefix.

    Characters of no alphabet are skipped.
    """
    if "%" in text:
        text = unquote(text)
    if "\\" in text:
        text = _escape.sub(lambda match: chr(int(match[1], 16)) if match[1] else "", text)
    if match := _begins_image(text, 0, _LONGEST_HEAD):
        text = text[match.start() :]
    packed = text.encode("ascii", "ignore").translate(_ALPHABET, _OTHERS).rstrip(b"=")
    # some encoders pad each of several pieces
    return b"".join(map(_decode_piece, packed.split(b"=")))


def _decode_piece(packed: bytes) -> bytes:
    if len(packed) % 4 == 1:  # less than a byte
        packed = packed[:-1]
    return binascii.a2b_base64(packed + b"=" * (-len(packed) % 4))
