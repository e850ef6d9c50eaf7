"""Reads single blocks and the orientation from PNG and JPEG metadata; strips metadata for decoding.

Pillow refuses a whole file for one bad or large block of metadata; browsers ignore the block. The
stripped copies are only decoded: the original is stored, and orientation and colours are read from
it.
"""

import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image as Picture

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8\xff"

_SHORTEST_TRANSPARENCY = {0: 2, 2: 6}
"""Bytes of a tRNS chunk for grey and RGB (PNG specification, section 11.3.1.1)."""

_jpeg_segment = re.compile(rb"\xff+([\xc0-\xfe])(..)", re.DOTALL)
_START_OF_SCAN = 0xDA
# the shortest payloads that Pillow takes
_JPEG_KEPT = {0xE0: (b"JFIF\0", 14), 0xE2: (b"ICC_PROFILE\0", 14), 0xEE: (b"Adobe", 12)}
_COMMENT = 0xFE

_APP1 = 0xE1
_TAG, _SHORT = 0x0112, 3
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_TURNS = {
    2: Picture.Transpose.FLIP_LEFT_RIGHT,
    3: Picture.Transpose.ROTATE_180,
    4: Picture.Transpose.FLIP_TOP_BOTTOM,
    5: Picture.Transpose.TRANSPOSE,
    6: Picture.Transpose.ROTATE_270,
    7: Picture.Transpose.TRANSVERSE,
    8: Picture.Transpose.ROTATE_90,
}
_SWAPPING = {5, 6, 7, 8}


def read_chunks(content: bytes) -> dict[bytes, bytes]:
    """Return, by name, the first valid chunk of each name before the image data of a PNG.

    Browsers ignore all others. A file of another type has no chunks.
    """
    chunks: dict[bytes, bytes] = {}
    position = len(PNG_SIGNATURE) if content.startswith(PNG_SIGNATURE) else len(content)
    while position + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        end = position + 8 + length
        if name == b"IDAT":
            break
        if name not in chunks and zlib.crc32(content[position + 4 : end]) == int.from_bytes(
            content[end : end + 4]
        ):
            chunks[name] = content[position + 8 : end]
        position = end + 4
    return chunks


def read_segments(content: bytes, marker: int) -> Iterator[bytes]:
    """Yield the data of a JPEG file's segments of one kind before the first scan.

    Args:
        content: A file; other types have no segments.
        marker: The second byte of the segments' marker.
    """
    position = 2 if content.startswith(JPEG_SIGNATURE) else len(content)
    while (match := _jpeg_segment.match(content, position)) and match[1][0] != _START_OF_SCAN:
        position = match.start(2) + max(2, int.from_bytes(match[2]))
        if match[1][0] == marker:
            yield content[match.end() : position]


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
    """Yield the required segments before the first scan, then everything from the scan on."""
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


class Orientation:
    """How a file's pixels are turned: its EXIF orientation as browsers apply it.

    Chromium 156 reads it in JPEG and PNG, not in WebP, and never in XMP. It reads only the first
    EXIF block, and ignores a broken one.

    Attributes:
        swaps: Whether width and height are exchanged.
    """

    def __init__(self, content: bytes) -> None:
        number = _read_number(_find_exif(content))
        self.swaps = number in _SWAPPING
        self._turn = _TURNS.get(number)

    def turn_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Turn a width and height, from stored to seen or back."""
        return (size[1], size[0]) if self.swaps else size

    def turn(self, picture: Picture.Image) -> Picture.Image:
        """Return a picture as people see it."""
        return picture if self._turn is None else picture.transpose(self._turn)


def _find_exif(content: bytes) -> bytes:
    if not content.startswith(JPEG_SIGNATURE):
        return read_chunks(content).get(b"eXIf", b"")
    for data in read_segments(content, _APP1):
        if data.startswith(b"Exif\0") and len(data) > 6:
            return data[6:]
    return b""


def _read_number(exif: bytes) -> int:
    """Return the orientation in EXIF data (EXIF 3.0, 4.6.5); 1 if there is none."""
    order = _ORDERS.get(exif[:4])
    if order is None or len(exif) < 8:
        return 1
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, start) if start + 2 <= len(exif) else (0,)
    end = min(start + 2 + 12 * count, len(exif) - 11)
    for position in range(start + 2, end, 12):
        tag, kind, values, number = struct.unpack_from(f"{order}HHIH", exif, position)
        if (tag, kind, values) == (_TAG, _SHORT, 1) and 1 <= number <= 8:
            return int(number)
    return 1
