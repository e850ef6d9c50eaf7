"""JSON as providers and gateways send it: whatever can be read of it, and no exception.

A number is the text that it was: none is too long, and an error code is the same with and without
quotes.
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
    """Return the JSON documents that stand one after the other, up to what is none.

    Args:
        text: Of any kind.
    """
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
    """Return JSON's text, each byte a character; only UTF-16 and UTF-32 are decoded.

    All that is read of it is ASCII. So no byte is refused, and a large image takes no more memory
    for one letter that is not ASCII.

    Args:
        content: Of any kind.
    """
    encoding = json.detect_encoding(bytes(content[:4]))
    return str(content, "latin-1" if encoding.startswith("utf-8") else encoding, "replace")
