"""Base64 as providers and gateways write it (RFC 4648), decoded as far as it can be.

Nothing is refused here: whether the bytes are an image is seen when they are decoded.
"""

import binascii
import re
from urllib.parse import unquote

_ALPHABET = bytes.maketrans(b"-_", b"+/")
"""From the URL-safe alphabet to the usual one."""

_LETTERS = bytes(code for code in range(128) if chr(code).isalnum())
_OTHERS = bytes(set(range(256)) - set(_LETTERS + b"+/-_="))
_escape = re.compile(r"\\(?:[nrt]|u00([0-9A-Fa-f]{2}))")


def decode_base64(text: str) -> bytes:
    """Decode base64, with or without padding, line breaks, or the head of a `data:` URL.

    Args:
        text: Of either alphabet; what belongs to none is skipped.
    """
    if text[:64].lstrip()[:5].lower() == "data:":
        text = text.partition(",")[2]
    if "%" in text:
        text = unquote(text)
    if "\\" in text:
        text = _escape.sub(lambda match: chr(int(match[1], 16)) if match[1] else "", text)
    packed = text.encode("ascii", "ignore").translate(_ALPHABET, _OTHERS).rstrip(b"=")
    # some encoders pad each of several pieces
    return b"".join(map(_decode_piece, packed.split(b"=")))


def _decode_piece(packed: bytes) -> bytes:
    if len(packed) % 4 == 1:  # less than a byte
        packed = packed[:-1]
    return binascii.a2b_base64(packed + b"=" * (-len(packed) % 4))
