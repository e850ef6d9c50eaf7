"""Proves that bytes are an image: decodes all of it, within a size limit.

Only the bytes decide what an image is. They are never changed or encoded again. If they can't be
decoded, the provider is at fault only if this machine had enough memory and descriptors.
"""

import errno
import io
import logging
import re
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from PIL import Image as Picture
from PIL import WebPImagePlugin  # noqa: F401 - registers itself; see below

from pixy_core import GeneratorResponseError, ImageNotStoredError
from pixy_core.images import IMAGE_EXTENSIONS
from pixy_service.pixels.metadata import Orientation, strip_metadata

T = TypeVar("T")

logger = logging.getLogger(__name__)

MAX_BYTES = 64 * 1024 * 1024
MAX_SIDE = 8192
"""Pixels."""

FORMATS = {kind: kind.removeprefix("image/").upper() for kind in IMAGE_EXTENSIONS}
"""Pillow's name of each media type that is stored."""

_AMPLE = 128 * 1024 * 1024
"""Bytes with which an image of up to 32 million pixels is decoded."""

SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of this machine, not of what it reads."""

_PAUSE = 0.5
_turn = threading.Lock()

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
    return _inspect(content, is_decoded=True)


def read_properties(content: bytes) -> ImageProperties:
    """Like `inspect_image`, from the header alone: the pixels may be damaged."""
    return _inspect(content, is_decoded=False)


def _inspect(content: bytes, *, is_decoded: bool) -> ImageProperties:
    if len(content) > MAX_BYTES:
        raise GeneratorResponseError
    try:
        with open_image(content) as picture:
            orientation = Orientation(content)
            if is_decoded:
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


def decode_in_turn(
    decode: Callable[[], T], deadline: float, content: bytes | bytearray | None = None
) -> T:
    """Decode a paid image: one at a time, and again while the machine lacks resources.

    Args:
        decode: Decodes it; MemoryError, or an OSError of SHORTAGES, is the machine's fault.
        deadline: By the monotonic clock; the first try is made in any case.
        content: The bytes, for the error.

    Raises:
        GeneratorResponseError: It is not an image.
        ImageNotStoredError: The machine lacked resources until the deadline.
    """
    is_first = True
    while True:
        try:
            with _turn:
                return decode()
        except (MemoryError, OSError) as error:
            if time.monotonic() + _PAUSE > deadline:
                raise ImageNotStoredError(answer=content) from error
            if is_first:
                logger.error("an image can't be decoded yet, trying again: %r", error)  # noqa: TRY400
            is_first = False
        time.sleep(_PAUSE)


def require_memory(size: int) -> None:
    """Return if this many bytes of memory could be allocated now.

    Raises:
        MemoryError: They could not.
    """
    # the system gives pages only when they are touched, and a bytearray would touch all
    bytes(size)
