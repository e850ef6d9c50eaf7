"""Lenient JSON: reads what can be read, and never raises.

Numbers stay text: none is too long, and an error code is the same with and without quotes.
"""

import json
import re
from typing import Any

_decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)
_MOST_DOCUMENTS = 1000
_MOST_BRANCHES = 100_000
"""An answer has some dozens; in memory each takes many times the bytes that it is written with."""

_begins_json = re.compile(r"\s*[{\[]").match
# between documents; the bytes of a byte-order mark may be characters here
_gap = re.compile("(?:[\\s\x00\x1e,]|\xef\xbb\xbf|\ufeff)*")


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
