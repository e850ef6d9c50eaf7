"""The metadata of PNG and JPEG files: reads single blocks, and strips what decoding does not need.

Pillow refuses a whole file for one bad or large block of metadata; browsers ignore the block. The
stripped copies are only decoded: the original is stored, and orientation and colours are read from
it.
"""

import re
import struct
import zlib
from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"

_SHORTEST_TRANSPARENCY = {0: 2, 2: 6}
"""Bytes of a tRNS chunk for grey and RGB (PNG specification, section 11.3.1.1)."""

_jpeg_segment = re.compile(rb"\xff+([\xc0-\xfe])(..)", re.DOTALL)
_START_OF_SCAN = 0xDA
# the shortest payloads that Pillow takes
_JPEG_KEPT = {0xE0: (b"JFIF\0", 14), 0xE2: (b"ICC_PROFILE\0", 14), 0xEE: (b"Adobe", 12)}
_COMMENT = 0xFE


def read_chunks(content: bytes) -> dict[bytes, bytes]:
    """Return the valid chunks of a PNG file before its image data by name, the first of each.

    Browsers ignore all others. A file of another type has no chunks.
    """
    chunks: dict[bytes, bytes] = {}
    place = len(PNG_SIGNATURE) if content.startswith(PNG_SIGNATURE) else len(content)
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        if name == b"IDAT":
            break
        if name not in chunks and zlib.crc32(content[place + 4 : end]) == int.from_bytes(
            content[end : end + 4]
        ):
            chunks[name] = content[place + 8 : end]
        place = end + 4
    return chunks


def read_segments(content: bytes, marker: int) -> Iterator[bytes]:
    """Yield the data of a JPEG file's segments of one kind before the first scan.

    Args:
        content: A file; other types have no segments.
        marker: The second byte of the segments' marker.
    """
    place = 2 if content.startswith(JPEG_SIGNATURE) else len(content)
    while (match := _jpeg_segment.match(content, place)) and match[1][0] != _START_OF_SCAN:
        place = match.start(2) + max(2, int.from_bytes(match[2]))
        if match[1][0] == marker:
            yield content[match.end() : place]


def strip_metadata(content: bytes) -> bytes:
    """Return a file that shows the same picture, without irrelevant metadata.

    What is not understood is left for the decoder to refuse.
    """
    view = memoryview(content)
    if content.startswith(PNG_SIGNATURE):
        parts = list(_keep_png_parts(view))
    elif content.startswith(JPEG_SIGNATURE):
        parts = list(_keep_jpeg_parts(view))
    else:
        return content
    return content if sum(map(len, parts)) == len(content) else b"".join(parts)


def _keep_png_parts(view: memoryview) -> Iterator[memoryview]:
    """Yield the signature, the critical chunks, and tRNS if it is valid."""
    position, colour_type = len(PNG_SIGNATURE), view[25] if len(view) > 25 else 0
    yield view[:position]
    while len(view) - position >= 8:
        length, kind = struct.unpack_from(">I4s", view, position)
        chunk = view[position : position + length + 12]
        # bit 5 of the first letter tells that a chunk is ancillary (section 5.4)
        if not kind[0] & 0x20 or (
            len(chunk) == length + 12 and _is_png_chunk_kept(kind, chunk, colour_type)
        ):
            yield chunk
        position += len(chunk)
        if kind == b"IEND":
            return
    yield view[position:]


def _is_png_chunk_kept(kind: bytes, chunk: memoryview, colour_type: int) -> bool:
    if kind != b"tRNS" or len(chunk) - 12 < _SHORTEST_TRANSPARENCY.get(colour_type, 1):
        return False
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:])


def _keep_jpeg_parts(view: memoryview) -> Iterator[memoryview]:
    """Yield the required segments before the first scan, and everything after it."""
    position = 2
    yield view[:position]
    while match := _jpeg_segment.match(view, position):
        marker, length = match[1][0], int.from_bytes(match[2])
        segment = view[match.start() : match.start(2) + length]
        if marker == _START_OF_SCAN or length < 2:
            break
        if _is_jpeg_segment_kept(marker, bytes(view[match.end() : match.start(2) + length])):
            yield segment
        position += len(segment)
    yield view[position:]


def _is_jpeg_segment_kept(marker: int, payload: bytes) -> bool:
    if marker in _JPEG_KEPT:
        start, shortest = _JPEG_KEPT[marker]
        return payload.startswith(start) and len(payload) >= shortest
    return marker != _COMMENT and not 0xE0 <= marker <= 0xEF
