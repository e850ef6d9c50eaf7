"""Making a picture smaller: the one place where originals are decoded to be encoded again.

No files and no rows here; what is kept of the result stands in thumbnails.py.
"""

import io
from typing import Any

from PIL import Image as Picture
from PIL import ImageOps, features

from pixy_core import ContentDamagedError
from pixy_service.generators.inspection import FORMATS, MAX_SIDE

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


def shrink(content: bytes, original_type: str, width: int, media_type: str) -> bytes:
    """Return a picture at a width, its proportions kept.

    Args:
        content: A file that `inspect_image` has let in.
        original_type: What it is: image/png, image/jpeg or image/webp.
        width: Pixels, not more than the picture has.
        media_type: One of THUMBNAIL_TYPES.

    Raises:
        ContentDamagedError: It can't be decoded.
    """
    try:
        picture = _decode(content, original_type)
    except Exception as error:
        # Pillow's decoders raise OSError, ValueError, SyntaxError, EOFError, struct.error and
        # its own DecompressionBombError on junk
        raise ContentDamagedError from error
    if width < picture.width:
        height = max(1, round(picture.height * width / picture.width))
        # reducing in whole steps first is as good to the eye, and quicker
        picture = picture.resize((width, height), Picture.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    profile = picture.info.get("icc_profile")
    picture.save(file, **_ENCODERS[media_type], **({"icc_profile": profile} if profile else {}))
    return file.getvalue()


def _decode(content: bytes, original_type: str) -> Picture.Image:
    picture: Picture.Image = Picture.open(io.BytesIO(content), formats=[FORMATS[original_type]])
    # the size comes from the header, before any pixel takes memory
    if max(picture.size) > MAX_SIDE:
        raise ValueError
    # in place: a copy of the largest takes a quarter of a gigabyte
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode == "I;16":  # converting would cut off all but the darkest shades
        picture = picture.point(lambda shade: shade / 256).convert("L")
    picture.load()
    if picture.mode in ("RGB", "RGBA"):
        return picture
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
