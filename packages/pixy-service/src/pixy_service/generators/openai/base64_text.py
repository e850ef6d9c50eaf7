"""Lenient base64 (RFC 4648), as providers and gateways write it.

Nothing is refused: whether the bytes are an image is found out when they are decoded.
"""

import binascii
import re
from itertools import islice
from urllib.parse import unquote

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
