"""Proof that bytes are an image: decoded as a whole, of the claimed type, and not too large.

The bytes themselves are never changed or encoded again.
"""

import io
from typing import NamedTuple

from PIL import Image as Picture

from pixy_core import GeneratorResponseError

MAX_BYTES = 64 * 1024 * 1024
MAX_SIDE = 8192
"""Pixels."""

FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


class Dimensions(NamedTuple):
    """An image's width and height in pixels."""

    width: int
    height: int


def inspect_image(content: bytes, media_type: str) -> Dimensions:
    """Decode an image and return its dimensions.

    Args:
        content: The file's bytes, at most MAX_BYTES.
        media_type: What it claims to be: image/png, image/jpeg or image/webp.

    Raises:
        GeneratorResponseError: It is no whole image of that type, or too large.
    """
    image_format = FORMATS.get(media_type)
    if image_format is None or len(content) > MAX_BYTES:
        raise GeneratorResponseError
    try:
        with Picture.open(io.BytesIO(content), formats=[image_format]) as picture:
            # the size comes from the header, before any pixel takes memory
            if max(picture.size) > MAX_SIDE:
                raise GeneratorResponseError
            picture.load()
            return Dimensions(*picture.size)
    except GeneratorResponseError:
        raise
    except Exception as error:
        # Pillow's decoders raise OSError, ValueError, SyntaxError, EOFError, struct.error and
        # its own DecompressionBombError on junk
        raise GeneratorResponseError from error
