"""The picture that each odd image file shows, and how to draw it."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image as Picture

from image_bytes import (
    Colour,
    chunk,
)

SIZE = (240, 160)
TOLERANCE = 12
"""Tolerance of a colour, of 255: for lossy formats and rounding in colour conversions."""
_CENTRES = (0.25, 0.75)
PLAIN: tuple[Colour, ...] = ((200, 30, 40), (40, 160, 60), (30, 60, 190), (240, 200, 40))
GREYS = (0, 85, 170, 255)
CLEAR = (0, 0, 0, 0)
INDICES = [(0,), (1,), (2,), (3,)]
PALETTE_OF_PLAIN = chunk(b"PLTE", bytes(sample for colour in PLAIN for sample in colour))
LINEAR: tuple[Colour, ...] = ((229, 96, 110), (110, 208, 133), (96, 133, 224), (248, 229, 110))
"""PLAIN, if its numbers are proportional to light."""
LINEAR_GREYS = (0, 156, 213, 255)
"""GREYS, likewise."""
WIDE: tuple[Colour, ...] = ((220, 0, 19), (0, 164, 35), (10, 60, 199), (248, 199, 0))
"""PLAIN, if its numbers are of Display P3, on a screen of sRGB."""
VIDEO: tuple[Colour, ...] = ((197, 18, 28), (28, 155, 49), (18, 49, 186), (239, 197, 28))
"""PLAIN, if its numbers are of video (ITU-R BT.709)."""
WIDEST: tuple[Colour, ...] = ((249, 0, 29), (0, 169, 32), (0, 60, 199), (255, 195, 0))
"""PLAIN, if its numbers are of BT.2020, likewise."""

EBU: tuple[Colour, ...] = ((201, 43, 39), (28, 158, 62), (30, 69, 190), (240, 198, 37))
FILM: tuple[Colour, ...] = ((229, 0, 25), (0, 164, 45), (0, 55, 196), (253, 198, 0))
NTSC: tuple[Colour, ...] = ((238, 0, 19), (0, 157, 49), (0, 81, 197), (255, 193, 0))
"""PLAIN, if its numbers are of these primaries (ITU-T H.273: 22, 8 and 4), likewise."""
SMPTE_240: tuple[Colour, ...] = ((207, 48, 58), (57, 170, 77), (48, 76, 196), (242, 207, 59))
SMPTE_428: tuple[Colour, ...] = ((201, 12, 23), (23, 154, 44), (13, 44, 188), (247, 201, 23))
"""PLAIN, if its numbers follow these curves (7 and 17)."""


class OddImage(NamedTuple):
    """A file and the picture it shows.

    Attributes:
        name: What is odd about it.
        content: The file.
        blocks: The colours (RGBA) of its four blocks as people see them, in reading order.
        size: Width and height as people see them.
    """

    name: str
    content: bytes
    blocks: Sequence[Colour]
    size: tuple[int, int] = SIZE

    @property
    def media_type(self) -> str:
        """The type of the bytes."""
        starts = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
        return next(kind for start, kind in starts.items() if self.content.startswith(start))

    def size_at(self, width: int) -> tuple[int, int]:
        """Return width and height of a thumbnail of at most this width."""
        width = min(width, self.size[0])
        return width, max(1, round(self.size[1] * width / self.size[0]))

    def check(self, picture: Picture.Image, background: Colour = CLEAR) -> None:
        """Fail if a picture does not show the blocks.

        Args:
            picture: An image of mode RGBA.
            background: The colour behind transparent blocks; CLEAR if it is not a screenshot.
        """
        width, height = picture.size
        for index, block in enumerate(self.blocks):
            place = int(width * _CENTRES[index % 2]), int(height * _CENTRES[index // 2])
            seen = picture.getpixel(place)
            assert isinstance(seen, tuple)
            wanted = blend(block, background)
            assert is_near(seen, wanted), f"{self.name}: {seen} at {place}, not {wanted}"


def blend(colour: Colour, background: Colour) -> Colour:
    """Return a colour as it looks on an opaque background; unchanged without a background."""
    if background == CLEAR:
        return colour
    share = colour[3] / 255
    pairs = zip(colour[:3], background[:3], strict=True)
    return (*(round(one * share + other * (1 - share)) for one, other in pairs), 255)


def is_near(one: Colour, other: Colour) -> bool:
    """Return whether two colours (RGBA) look the same."""
    if one[3] == other[3] == 0:
        return True
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= TOLERANCE


def opaque(blocks: Sequence[Colour]) -> list[Colour]:
    return [(*colour[:3], 255) for colour in blocks]


def greys(*levels: int) -> list[Colour]:
    return [(level, level, level, 255) for level in levels]


def draw(
    blocks: Sequence[Any] = PLAIN, mode: str = "RGB", size: tuple[int, int] = SIZE
) -> Picture.Image:
    """Return a picture of four blocks."""
    picture = Picture.new(mode, size, blocks[0])
    halves = (size[0] + 1) // 2, (size[1] + 1) // 2
    for index, block in enumerate(blocks):
        left, top = index % 2 * halves[0], index // 2 * halves[1]
        picture.paste(block, (left, top, left + halves[0], top + halves[1]))
    return picture


def save(picture: Picture.Image, image_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, image_format, **options)
    return file.getvalue()


def turn(orientation: int, blocks: Sequence[Any] = PLAIN) -> tuple[list[Any], tuple[int, int]]:
    """Return four blocks and the size as people see them if the file has this orientation."""
    a, b, c, d = blocks
    turned = {
        1: [a, b, c, d],
        2: [b, a, d, c],
        3: [d, c, b, a],
        4: [c, d, a, b],
        5: [a, c, b, d],
        6: [c, a, d, b],
        7: [d, b, c, a],
        8: [b, d, a, c],
    }[orientation]
    return turned, SIZE if orientation < 5 else (SIZE[1], SIZE[0])


def turned(name: str, content: bytes, orientation: int) -> OddImage:
    blocks, size = turn(orientation)
    return OddImage(name, content, opaque(blocks), size)
