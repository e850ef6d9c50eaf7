"""What an uploaded file must be: one still image, whole, of a bearable size, and nothing else."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

from PIL import Image as Picture

from pixy_core import (
    GeneratorResponseError,
    ImageNotStoredError,
    InvalidInputError,
    StorageUnavailableError,
)
from pixy_service.pixels.inspection import (
    MAX_SIDE,
    SHORTAGES,
    ImageProperties,
    decode_in_turn,
    inspect_image,
    open_image,
)
from pixy_service.pixels.metadata import JPEG_SIGNATURE, PNG_SIGNATURE, read_chunks

T = TypeVar("T")

MAX_PIXELS = MAX_SIDE * MAX_SIDE
"""The most that the decoder takes."""

_PATIENCE = 10.0
"""Seconds for which a file is decoded again while the machine lacks memory."""

_CHUNK_FRAME = 12
"""Bytes of a PNG chunk around its data: length, name and checksum."""

_START, _END = b"\xff\xd8", b"\xff\xd9"
_START_OF_SCAN = 0xDA
_MOST_PADDING = 4096
"""Bytes between two JPEG images of one file."""

_find_segment = re.compile(rb"\xff+([\xc0-\xfe])(..)", re.DOTALL).match
# in a scan, 0xff is followed by 0x00 if it is data, and by 0xd0 to 0xd7 at restarts
_find_scan_end = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]").search


def inspect_upload(content: bytes, max_pixels: int) -> ImageProperties:
    """Decode an uploaded image and return its properties.

    Args:
        content: The file.
        max_pixels: The most pixels that it may have.

    Raises:
        InvalidInputError: It is not a whole PNG, JPEG or WebP, has too many pixels or a side that
            is too long, is animated, or has bytes after its end.
        MemoryError: There is not enough memory to tell.
        OSError: There are not enough descriptors, or not enough memory, to tell.
    """
    _check_header(content, max_pixels)
    try:
        properties = inspect_image(content)
    except GeneratorResponseError as error:
        raise _refusal("must be a whole PNG, JPEG or WebP image") from error
    if content[_find_end(content) :].strip(b"\0"):
        raise _refusal("must not have bytes after the end of the image")
    return properties


def decode_file(decode: Callable[[], T]) -> T:
    """Return the result of decoding a file that is on the disk.

    Args:
        decode: Reads and decodes it; called again while the machine lacks memory.

    Raises:
        StorageUnavailableError: There is not enough memory.
    """
    try:
        return decode_in_turn(decode, time.monotonic() + _PATIENCE)
    except ImageNotStoredError as error:
        raise StorageUnavailableError from error


def has_transparency(content: bytes) -> bool:
    """Return whether a file can be decoded as an image with an alpha channel."""
    try:
        with open_image(content) as picture:
            return bool(picture.has_transparency_data)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in SHORTAGES:
            raise
        return False


def _check_header(content: bytes, max_pixels: int) -> None:
    """Refuse what can be told without decoding a pixel."""
    try:
        with open_image(content) as picture:
            (width, height), frames = picture.size, getattr(picture, "n_frames", 1)
    except (
        ValueError,
        Picture.DecompressionBombError,
        Picture.DecompressionBombWarning,
    ) as error:
        raise _refusal(f"must have no side longer than {MAX_SIDE} pixels") from error
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in SHORTAGES:
            raise
        raise _refusal("must be a PNG, JPEG or WebP image") from error
    if width * height > max_pixels:
        raise _refusal(f"must have at most {max_pixels:,} pixels")
    # the decoder's copy has no chunks that only animations need
    if frames > 1 or b"acTL" in read_chunks(content):
        raise _refusal("must not be animated")


def _refusal(reason: str) -> InvalidInputError:
    return InvalidInputError(((("file",), reason),))


def _find_end(content: bytes) -> int:
    """Return where an image that can be decoded ends; the length of the file if nobody knows."""
    if content.startswith(PNG_SIGNATURE):
        return _find_png_end(content)
    if content.startswith(JPEG_SIGNATURE):
        return _find_jpeg_end(content)
    # RIFF: a length, and a byte that makes it even
    length = int.from_bytes(content[4:8], "little")
    return 8 + length + length % 2


def _find_png_end(content: bytes) -> int:
    place = len(PNG_SIGNATURE)
    while place + _CHUNK_FRAME <= len(content):
        name = content[place + 4 : place + 8]
        place += int.from_bytes(content[place : place + 4]) + _CHUNK_FRAME
        if name == b"IEND":
            return place
    return len(content)


def _find_jpeg_end(content: bytes) -> int:
    """Return the end of the last of several JPEG images that follow each other.

    Cameras append smaller versions and gain maps (CIPA DC-007, ISO 21496-1).
    """
    end = _find_end_of_one(content, 0)
    if end is None:
        # it was decoded, so it only lacks its last marker
        return len(content)
    while True:
        padding = content[end : end + _MOST_PADDING]
        start = end + len(padding) - len(padding.lstrip(b"\0"))
        following = _find_end_of_one(content, start) if content.startswith(_START, start) else None
        if following is None:
            return end
        end = following


def _find_end_of_one(content: bytes, start: int) -> int | None:
    """Return where a JPEG image ends that starts at a place; None if it is not whole."""
    place = start + len(_START)
    while not content.startswith(_END, place):
        segment = _find_segment(content, place)
        if segment is None:
            return None
        place = segment.start(2) + max(2, int.from_bytes(segment[2]))
        if segment[1][0] == _START_OF_SCAN:
            scan_end = _find_scan_end(content, place)
            if scan_end is None:
                return None
            # fill bytes may come before a marker
            place = scan_end.end() - 2
    return place + len(_END)
