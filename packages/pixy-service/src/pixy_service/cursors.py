"""Cursors: the position in a list, in a form that callers can pass back but not forge."""

import base64
import binascii
import hmac
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pixy_core import InvalidInputError
from pixy_data import Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# microseconds since the epoch, then the 16 bytes of the guid
_POSITION = struct.Struct(">q16s")
_MAC_LENGTH = 32
_MAX_CURSOR_LENGTH = 128


class Cursors:
    """Turns positions into cursors and back, for the lists of one scope.

    Args:
        read_key: Returns the signing key: 32 bytes that all processes on a database share. It is
            called when a cursor is needed.
        scope: Whose list it is. A cursor of one scope is invalid in every other.
    """

    def __init__(self, read_key: Callable[[], bytes], scope: str) -> None:
        self._read_key = read_key
        self._scope = scope

    def narrow(self, condition: str) -> "Cursors":
        """Return the cursors of a filtered list; `condition` identifies the filter."""
        return Cursors(self._read_key, f"{self._scope}?{condition}")

    def encode(self, position: Position) -> str:
        """Return an opaque, URL-safe cursor for a position."""
        microseconds = (position.created_at - _EPOCH) // timedelta(microseconds=1)
        payload = _POSITION.pack(microseconds, uuid.UUID(position.guid).bytes)
        return base64.urlsafe_b64encode(payload + self._sign(payload)).decode().rstrip("=")

    def decode(self, cursor: object) -> Position:
        """Return the position of a cursor.

        Raises:
            InvalidInputError: It is not a cursor of this scope.
        """
        signed = _decode_base64(cursor)
        payload, mac = signed[: _POSITION.size], signed[_POSITION.size :]
        if len(mac) != _MAC_LENGTH or not hmac.compare_digest(mac, self._sign(payload)):
            raise _refusal()
        microseconds, guid = _POSITION.unpack(payload)
        return Position(_EPOCH + timedelta(microseconds=microseconds), str(uuid.UUID(bytes=guid)))

    def _sign(self, payload: bytes) -> bytes:
        scope = self._scope.encode()
        message = struct.pack(">I", len(scope)) + scope + payload
        return hmac.digest(self._read_key(), message, "sha256")


def _decode_base64(cursor: object) -> bytes:
    if not isinstance(cursor, str) or not cursor.isascii() or len(cursor) > _MAX_CURSOR_LENGTH:
        raise _refusal()
    try:
        signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
    except binascii.Error:
        raise _refusal() from None
    # the last character of base64 has bits to spare: only one spelling is ours
    if base64.urlsafe_b64encode(signed).decode().rstrip("=") != cursor:
        raise _refusal()
    return signed


def _refusal() -> InvalidInputError:
    return InvalidInputError(((("cursor",), "must be one that this list gave out"),))
