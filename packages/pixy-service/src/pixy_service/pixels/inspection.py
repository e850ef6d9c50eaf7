"""Proves that bytes are an image: decodes all of it, within a size limit.

Only the bytes decide what an image is. They are never changed or encoded again.
"""

import io
import re
from typing import NamedTuple

from PIL import Image as Picture
from PIL import WebPImagePlugin  # noqa: F401 - registers itself; see below

from pixy_core import GeneratorResponseError
from pixy_core.images import IMAGE_EXTENSIONS
from pixy_service.pixels.decoding import SHORTAGES, require_memory
from pixy_service.pixels.metadata import strip_metadata
from pixy_service.pixels.orientation import Orientation

MAX_BYTES = 64 * 1024 * 1024
MAX_SIDE = 8192
"""Pixels."""

FORMATS = {kind: kind.removeprefix("image/").upper() for kind in IMAGE_EXTENSIONS}
"""Pillow's name of each media type that is stored."""

_AMPLE = 128 * 1024 * 1024
"""Bytes with which an image of up to 32 million pixels is decoded."""

_MEDIA_TYPES = {name: media_type for media_type, name in FORMATS.items()}

_find_signature = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP", re.DOTALL).search

# Pillow would import its plugins at the first image, and fail when no file can be opened then
Picture.preinit()


class ImageProperties(NamedTuple):
    """The properties of an image file.

    Attributes:
        media_type: `image/png`, `image/jpeg` or `image/webp`.
        width: Pixels, with the EXIF orientation applied.
        height: Pixels, likewise.
    """

    media_type: str
    width: int
    height: int


def skip_to_image(content: bytes | bytearray) -> bytes:
    """Return the bytes from the first start of an image on; empty if there is none."""
    match = _find_signature(content)
    return b"" if match is None else bytes(memoryview(content)[match.start() :])


def open_image(content: bytes) -> Picture.Image:
    """Open a PNG, JPEG or WebP without decoding its pixels.

    Metadata can't make this fail. Orientation and colour space are not applied.

    Raises:
        ValueError: It is wider or higher than MAX_SIDE.
        Exception: It is not an image. Pillow's decoders, here and in `load`, also raise OSError,
            SyntaxError, EOFError, struct.error and Pillow's own DecompressionBombError.
    """
    picture = Picture.open(io.BytesIO(strip_metadata(content)), formats=tuple(_MEDIA_TYPES))
    # the size comes from the header, before any pixel takes memory
    if max(picture.size) > MAX_SIDE:
        picture.close()
        raise ValueError("an image side is too long")
    return picture


def inspect_image(content: bytes) -> ImageProperties:
    """Decode an image and return its properties.

    Raises:
        GeneratorResponseError: It is not a whole image, or too large.
        MemoryError: There is not enough memory to tell.
        OSError: There are not enough descriptors, or not enough memory, to tell.
    """
    if len(content) > MAX_BYTES:
        raise GeneratorResponseError
    try:
        with open_image(content) as picture:
            orientation = Orientation(content)
            picture.load()
            width, height = orientation.turn_size(picture.size)
            return ImageProperties(_MEDIA_TYPES[str(picture.format)], width, height)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in SHORTAGES:
            raise
        # some decoders call a lack of memory broken data
        require_memory(_AMPLE)
        raise GeneratorResponseError from error
