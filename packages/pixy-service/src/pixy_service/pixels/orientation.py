"""EXIF orientation as browsers apply it.

Chromium 156 reads it in JPEG and PNG, not in WebP, and never in XMP. It reads only the first EXIF
block, and ignores a broken one.
"""

import struct

from PIL import Image as Picture

from pixy_service.pixels.metadata import JPEG_SIGNATURE, read_chunks, read_segments

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


class Orientation:
    """How a file's pixels are turned.

    Args:
        content: The file's bytes.

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
    for place in range(start + 2, end, 12):
        tag, kind, values, number = struct.unpack_from(f"{order}HHIH", exif, place)
        if (tag, kind, values) == (_TAG, _SHORT, 1) and 1 <= number <= 8:
            return int(number)
    return 1
