"""Makes thumbnails: decodes originals, resizes and encodes them."""

import io
from typing import Any

from PIL import Image as Picture
from PIL import features

from pixy_core import ContentDamagedError
from pixy_service.pixels.colours import convert_to_srgb, find_profile, make_transparent
from pixy_service.pixels.inspection import FORMATS, open_image
from pixy_service.pixels.metadata import Orientation

VERSION = 3
"""Raise it when thumbnails of the same file come to look different: cached ones are made again."""

WEBP = "image/webp"
AVIF = "image/avif"

# near the same error in both; AVIF is a sixth smaller and takes twice as long
_ENCODERS: dict[str, dict[str, Any]] = {
    WEBP: {"format": "WEBP", "quality": 80, "method": 4},
    # the threads of one picture would take the cores from the reads
    AVIF: {"format": "AVIF", "quality": 55, "speed": 7, "max_threads": 1},
}

THUMBNAIL_TYPES = (AVIF, WEBP) if features.check("avif") else (WEBP,)
"""Media types that this machine's Pillow can write, the smaller files first."""


THUMBNAIL_WIDTHS = (160, 320, 640, 1280)
"""Pixels; a narrower original keeps its own width."""


def shrink(content: bytes, original_type: str, width: int, media_type: str) -> bytes:
    """Return a picture at a width, with the same proportions.

    Args:
        content: A file that `inspect_image` accepted.
        original_type: `image/png`, `image/jpeg` or `image/webp`.
        width: Pixels, at most the picture's own.
        media_type: One of THUMBNAIL_TYPES.

    Raises:
        ContentDamagedError: It can't be decoded.
    """
    try:
        picture, orientation, profile = _decode(content, original_type)
    except Exception as error:
        # Pillow's decoders raise OSError, ValueError, SyntaxError, EOFError, struct.error and
        # its own DecompressionBombError on junk
        raise ContentDamagedError from error
    seen_width, seen_height = orientation.turn_size(picture.size)
    if width < seen_width:
        size = orientation.turn_size((width, max(1, round(seen_height * width / seen_width))))
        # reducing in whole steps first is as good to the eye, and quicker
        picture = picture.resize(size, Picture.Resampling.LANCZOS, reducing_gap=3.0)
    picture = convert_to_srgb(orientation.turn(picture), profile)
    picture.info = {}  # what the encoders find there they write: the old profile, notes
    file = io.BytesIO()
    picture.save(file, **_ENCODERS[media_type])
    return file.getvalue()


def _decode(content: bytes, original_type: str) -> tuple[Picture.Image, Orientation, bytes | None]:
    picture = open_image(content)
    if picture.format != FORMATS[original_type]:
        raise ValueError
    orientation, profile = Orientation(content), find_profile(picture, content)
    picture.load()
    return _simplify(picture, content), orientation, profile


def _simplify(picture: Picture.Image, content: bytes) -> Picture.Image:
    """Return a picture of mode L, LA, RGB, RGBA or CMYK."""
    if picture.mode == "P":
        return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    samples = picture.convert("L") if picture.mode == "1" else picture
    if picture.format == "PNG" and samples.mode in ("L", "I;16", "RGB"):
        return make_transparent(samples, content)
    return samples
