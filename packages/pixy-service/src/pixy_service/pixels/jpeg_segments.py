"""Reads the segments of a JPEG file that Pillow does not read, or reads differently."""

import re
from collections.abc import Iterator

from pixy_service.pixels.metadata import JPEG_SIGNATURE

_segment = re.compile(rb"\xff+([\xc0-\xfe])(..)", re.DOTALL)
_START_OF_SCAN = b"\xda"


def read_segments(content: bytes, marker: int) -> Iterator[bytes]:
    """Yield the data of the segments of a kind before the first scan.

    Args:
        content: A file; other types have no segments.
        marker: The second byte of the segments' marker.
    """
    place = 2 if content.startswith(JPEG_SIGNATURE) else len(content)
    while (match := _segment.match(content, place)) and match[1] != _START_OF_SCAN:
        place = match.start(2) + max(2, int.from_bytes(match[2]))
        if match[1][0] == marker:
            yield content[match.end() : place]
