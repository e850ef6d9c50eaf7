"""A landscape, drawn from a source of random numbers; equal numbers give equal pictures."""

import math
from random import Random
from typing import NamedTuple

from PIL import Image as Picture
from PIL import ImageDraw

Colour = tuple[int, int, int]

_SCALE = 2
"""Everything is drawn this many times too large: Pillow's polygons have no smooth edges."""


class _Palette(NamedTuple):
    zenith: Colour
    horizon: Colour
    light: Colour
    near: Colour
    is_night: bool


_PALETTES = (
    _Palette((45, 62, 110), (250, 178, 122), (255, 236, 196), (38, 32, 62), False),
    _Palette((18, 24, 58), (92, 98, 158), (240, 238, 216), (10, 14, 34), True),
    _Palette((104, 168, 196), (246, 232, 200), (255, 250, 226), (26, 70, 84), False),
    _Palette((190, 76, 74), (252, 206, 130), (255, 244, 206), (66, 22, 48), False),
    _Palette((96, 140, 126), (234, 232, 196), (255, 252, 232), (22, 54, 48), False),
    _Palette((70, 44, 104), (240, 142, 152), (255, 226, 204), (34, 16, 58), False),
    _Palette((12, 44, 66), (70, 146, 142), (226, 246, 226), (6, 24, 38), True),
    _Palette((150, 170, 200), (238, 222, 226), (255, 248, 240), (58, 66, 98), False),
)


def draw_landscape(random: Random, width: int, height: int) -> Picture.Image:
    """Draw a sky, the sun or the moon, hazy ridges, and a lake or trees in front.

    Args:
        random: Determines everything.
        width: Pixels.
        height: Pixels.
    """
    palette = random.choice(_PALETTES)
    canvas = _gradient(palette.zenith, palette.horizon, width * _SCALE, height * _SCALE)
    draw = ImageDraw.Draw(canvas)
    if palette.is_night:
        _draw_stars(draw, random, canvas.size)
    _draw_light(canvas, random, palette)
    has_lake = random.random() < 0.5
    ridges = random.randint(4, 6)
    for index in range(ridges):
        depth = (index + 1) / ridges
        colour = _mix(palette.horizon, palette.near, depth**1.3 * (0.86 if has_lake else 1))
        base = canvas.height * (0.48 + (0.22 if has_lake else 0.42) * depth)
        line = _ridge_line(random, canvas.width, base, canvas.height * (0.16 - 0.09 * depth))
        draw.polygon([*line, (canvas.width, canvas.height), (0, canvas.height)], colour)
        if index == ridges - 1 and not has_lake:
            _draw_trees(draw, random, line, colour)
    if has_lake:
        _draw_lake(canvas, random, palette)
    else:
        _draw_birds(draw, random, canvas.size, palette.near)
    return canvas.reduce(_SCALE)


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    mixed = [round(a + (b - a) * share) for a, b in zip(first, second, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def _gradient(top: Colour, bottom: Colour, width: int, height: int) -> Picture.Image:
    column = Picture.new("RGB", (1, height))
    for y in range(height):
        column.putpixel((0, y), _mix(top, bottom, min(1.0, y / (height * 0.62))))
    return column.resize((width, height), Picture.Resampling.NEAREST)


def _ridge_line(random: Random, width: int, base: float, rise: float) -> list[tuple[float, float]]:
    waves = [
        (rise / octave**1.15, octave * random.uniform(1.2, 2.2), random.uniform(0, math.tau))
        for octave in (1, 2, 4, 8, 16, 32)
    ]
    step = 4
    return [
        (
            x,
            base - sum(a * math.sin(f * math.tau * x / width + p) for a, f, p in waves),
        )
        for x in range(0, width + step, step)
    ]


def _draw_light(canvas: Picture.Image, random: Random, palette: _Palette) -> None:
    """Draw the sun or the moon with its halo."""
    x = canvas.width * random.uniform(0.2, 0.8)
    y = canvas.height * random.uniform(0.16, 0.4)
    radius = canvas.width * random.uniform(0.045, 0.085)
    draw = ImageDraw.Draw(canvas, "RGBA")
    for ring in range(6, 0, -1):
        size = radius * (1 + 0.42 * ring)
        draw.ellipse((x - size, y - size, x + size, y + size), (*palette.light, 16))
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), palette.light)


def _draw_stars(draw: ImageDraw.ImageDraw, random: Random, size: tuple[int, int]) -> None:
    for _ in range(150):
        x, y = random.uniform(0, size[0]), size[1] * 0.55 * random.random() ** 1.4
        radius = random.choice((1.0, 1.5, 1.5, 2.5, 3.2))
        shade = random.randint(150, 245)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), (shade, shade, 235))


def _draw_trees(
    draw: ImageDraw.ImageDraw,
    random: Random,
    line: list[tuple[float, float]],
    colour: Colour,
) -> None:
    """Draw firs along a ridge, some in groups."""
    index = random.randint(0, 8)
    while index < len(line):
        x, ground = line[index]
        height = random.uniform(70, 190)
        for tier in range(5):
            top = ground - height * (1 - tier * 0.17)
            half = height * (0.07 + 0.042 * tier)
            foot = top + height * 0.34
            draw.polygon([(x, top), (x - half, foot), (x + half, foot)], colour)
        draw.rectangle((x - 4, ground - height * 0.2, x + 4, ground + 30), colour)
        index += random.choice((4, 5, 7, 9, 14, 30))


def _draw_lake(canvas: Picture.Image, random: Random, palette: _Palette) -> None:
    """Mirror what is above the shore, darker and with glints."""
    shore = round(canvas.height * 0.76)
    depth = canvas.height - shore
    above = canvas.crop((0, shore - depth * 2, canvas.width, shore))
    mirrored = above.transpose(Picture.Transpose.FLIP_TOP_BOTTOM).resize((canvas.width, depth))
    tint = Picture.new("RGB", mirrored.size, _mix(palette.horizon, palette.zenith, 0.45))
    canvas.paste(Picture.blend(mirrored, tint, 0.42), (0, shore))
    draw = ImageDraw.Draw(canvas, "RGBA")
    for _ in range(90):
        nearness = random.random() ** 1.6
        y = shore + nearness * depth
        length = canvas.width * (0.015 + 0.11 * nearness * random.random())
        x = random.uniform(-length, canvas.width)
        thickness = 2 + 5 * nearness
        draw.ellipse((x, y, x + length, y + thickness), (*palette.light, 70))


def _draw_birds(
    draw: ImageDraw.ImageDraw, random: Random, size: tuple[int, int], colour: Colour
) -> None:
    x, y = size[0] * random.uniform(0.2, 0.7), size[1] * random.uniform(0.12, 0.3)
    for _ in range(random.randint(3, 6)):
        x, y = x + random.uniform(30, 90), y + random.uniform(-36, 36)
        span = random.uniform(14, 24)
        draw.arc((x - 2 * span, y, x, y + span), 200, 340, colour, 4)
        draw.arc((x, y, x + 2 * span, y + span), 200, 340, colour, 4)
