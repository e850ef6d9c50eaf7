"""The transparent colour of a PNG file, which Pillow compares with samples scaled to 8 bits."""

import struct
from collections.abc import Iterator
from functools import reduce

from PIL import Image as Picture
from PIL import ImageChops

from pixy_service.pixels.inspection import open_image
from pixy_service.pixels.metadata import read_chunks

_OPAQUE = 255


def make_transparent(picture: Picture.Image, content: bytes) -> Picture.Image:
    """Return a grey or RGB picture, with alpha if its file has a transparent colour (tRNS).

    Args:
        picture: The loaded picture, of mode L, I;16 or RGB.
        content: Its PNG file.
    """
    depth, key = content[24], read_chunks(content).get(b"tRNS", b"")
    samples = struct.unpack(f">{len(key) // 2}H", key[: len(key) // 2 * 2])
    if len(samples) != len(picture.mode.removesuffix(";16")):
        return _drop_low_bytes(picture)
    if depth == 16:
        planes = _split_bytes(picture, content)
        wanted = [sample >> 8 for sample in samples] + [sample & 255 for sample in samples]
    else:
        planes = map(picture.getchannel, picture.getbands())
        wanted = [sample * _OPAQUE // (2**depth - 1) for sample in samples]
    # one plane after the other: the largest pictures have 64 MiB in each
    differences = (
        plane.point([_OPAQUE * (level != sample) for level in range(256)])
        for plane, sample in zip(planes, wanted, strict=True)
    )
    alpha = reduce(ImageChops.lighter, differences)
    picture = _drop_low_bytes(picture)
    picture.putalpha(alpha)
    return picture


def _drop_low_bytes(picture: Picture.Image) -> Picture.Image:
    # converting I;16 would cut off all but the darkest shades
    return picture.point(lambda shade: shade / 256).convert("L") if ";" in picture.mode else picture


def _split_bytes(picture: Picture.Image, content: bytes) -> Iterator[Picture.Image]:
    """Yield the upper bytes of the samples, then the lower ones, as pictures of mode L."""
    if picture.mode == "I;16":
        samples = picture.tobytes()
        for start in (1, 0):
            yield Picture.frombytes("L", picture.size, samples[start::2])
        return
    yield from map(picture.getchannel, "RGB")
    # Pillow keeps the upper bytes only; read as little-endian, the lower ones are the upper
    lower = open_image(content)
    lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]  # type: ignore[attr-defined]
    yield from map(lower.getchannel, "RGB")
