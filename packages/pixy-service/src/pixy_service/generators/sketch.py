"""The offline generator: a picture drawn on this machine, clearly marked as a sketch.

The same prompt, sources and options always give the same picture.
"""

import hashlib
import io
import math
import textwrap
import time
import unicodedata
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from PIL import Image as Picture
from PIL import ImageChops, ImageDraw, ImageFont

from pixy_core import Background, GeneratorClientError, ImageRequest, OutputFormat, limit_marks
from pixy_core.images import read_size
from pixy_service.generators.interface import (
    GeneratedImage,
    ImageOrder,
    ModelInfo,
    OnPartial,
    SourceFile,
    check_model,
    ignore_partial,
)
from pixy_service.pixels.inspection import open_image
from pixy_service.pixels.metadata import Orientation

_NAME = "sketch"
_MODEL = "sketch-1"
_SIDE = 1024
_MARGIN = 56
_FOOT = 244
"""Pixels below the scene, for the caption and the stamp."""

_ROUGH_SIDES = (24, 72, 216)
"""Pixels of the longer side of partial images, the coarsest first."""

_PAUSE = 1.0
"""Seconds between two partial images."""

_MAX_PIXELS = 8_294_400
"""Pixels of a picture whose size its sources determine."""

_MAX_RATIO = 3
"""Ratio of the sides of a drawing."""

_QUALITY = 90
"""Per cent, for JPEG and WebP without a requested compression."""

_STRENGTH = 90
"""Opacity of the drawing over a source, of 255."""

_PAPER = (247, 242, 231)
_INK = (58, 52, 48)
_STAMP = (176, 58, 46)

Colour = tuple[int, int, int]

_SCALE = 2
"""A landscape is drawn this many times too large: Pillow's polygons have no smooth edges."""


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


class SketchGenerator:
    """Draws a framed landscape above the prompt and the word SKETCH.

    Sources are put side by side, and the drawing shows over them.

    Args:
        partial_images: Number of partial images if an order does not tell, 0 to MAX_PARTIALS.
        pause: Seconds after each of them, so that they can be seen.
    """

    name = _NAME

    def __init__(self, partial_images: int = 0, *, pause: float = _PAUSE) -> None:
        self._partial_images = partial_images
        self._pause = pause

    @property
    def models(self) -> tuple[str, ...]:
        """The only model."""
        return (_MODEL,)

    def list_provider_models(self) -> list[ModelInfo]:
        """Return nothing: there is no provider."""
        return []

    def check(self, request: ImageRequest) -> None:
        """Return if the model is the sketch's; every other option is supported or ignored.

        Raises:
            InvalidInputError: It is another one.
        """
        check_model(request.model, self.models)

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        """Draw one image.

        Args:
            order: Its prompt and its sources determine the picture.
            on_partial: Called with coarse versions of the picture.

        Raises:
            GeneratorClientError: A source can't be read.
        """
        picture = _draw(order)
        partial_images = order.partial_images
        if partial_images is None:
            partial_images = self._partial_images
        for side in _ROUGH_SIDES[:partial_images]:
            rough = picture.copy()
            rough.thumbnail((side, side))
            on_partial(_encode(rough, OutputFormat.PNG))
            time.sleep(self._pause)
        kind = OutputFormat(order.output_format)
        content = _encode(picture, kind, order.output_compression)
        return GeneratedImage(content, f"image/{kind}", *picture.size, _NAME, _MODEL)

    def close(self) -> None:
        """Do nothing."""


def _encode(picture: Picture.Image, kind: OutputFormat, compression: int | None = None) -> bytes:
    file = io.BytesIO()
    quality = _QUALITY if compression is None else compression
    if kind == OutputFormat.PNG:
        # faster than Pillow's default level 6, and the file is hardly larger
        picture.save(file, "PNG", compress_level=4)
    elif kind == OutputFormat.WEBP:
        picture.save(file, "WEBP", quality=quality, method=0)
    else:
        picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _draw(order: ImageOrder) -> Picture.Image:
    """Draw the sheet of an order, over its sources if it has any."""
    size = read_size(order.size) or _choose_size(order.sources)
    sheet = _draw_sheet(order.prompt, *size)
    if order.sources:
        try:
            picture = _draw_over(order, sheet)
        except (OSError, ValueError) as error:
            raise GeneratorClientError from error
        is_flat = order.output_format == OutputFormat.JPEG or order.background == Background.OPAQUE
        return _flatten(picture) if is_flat else picture
    if order.background == Background.TRANSPARENT:
        _clear_paper(sheet)
    return sheet


def _choose_size(sources: Sequence[SourceFile]) -> tuple[int, int]:
    """Return the size of the first source, or less if that has more pixels than any picture."""
    if not sources:
        return _SIDE, _SIDE
    sides = sources[0].width, sources[0].height
    scale = min(1.0, math.sqrt(_MAX_PIXELS / math.prod(sides)))
    return max(1, int(sides[0] * scale)), max(1, int(sides[1] * scale))


def _draw_over(order: ImageOrder, sheet: Picture.Image) -> Picture.Image:
    """Put sources side by side, and draw over them; with a mask only where that is transparent."""
    drawn = Picture.new("RGBA", sheet.size)
    edges = [sheet.width * number // len(order.sources) for number in range(len(order.sources) + 1)]
    for source, left, right in zip(order.sources, edges, edges[1:], strict=False):
        if right > left:
            drawn.paste(_read_source(source, (right - left, sheet.height)), (left, 0))
    over = sheet.convert("RGBA")
    over.putalpha(_STRENGTH)
    drawn.alpha_composite(over)
    if order.mask is None:
        return drawn
    original = _read_source(order.sources[0], sheet.size)
    return Picture.composite(original, drawn, _find_kept(order.mask, sheet.size))


def _read_source(source: SourceFile, size: tuple[int, int]) -> Picture.Image:
    content = source.path.read_bytes()
    with open_image(content) as picture:
        return Orientation(content).turn(picture.convert("RGBA")).resize(size)


def _find_kept(mask: SourceFile, size: tuple[int, int]) -> Picture.Image:
    """Return the area that a mask keeps: all pixels that are not fully transparent."""
    with open_image(mask.path.read_bytes()) as picture:
        alpha = picture.convert("RGBA").getchannel("A")
    return alpha.point([0, *[255] * 255]).resize(size, Picture.Resampling.NEAREST)


def _flatten(picture: Picture.Image) -> Picture.Image:
    paper = Picture.new("RGBA", picture.size, _PAPER)
    paper.alpha_composite(picture)
    return paper.convert("RGB")


def _clear_paper(sheet: Picture.Image) -> None:
    """Make the empty paper transparent."""
    paper = Picture.new("RGB", sheet.size, _PAPER)
    difference = ImageChops.difference(sheet, paper).convert("L")
    sheet.putalpha(difference.point([min(255, 8 * level) for level in range(256)]))


def _draw_sheet(prompt: str, width: int, height: int) -> Picture.Image:
    """Draw the sheet with a shorter side of 1024 pixels, then scale it to the requested size."""
    # sources may be much longer than a picture that is asked for
    drawn_width, drawn_height = min(width, _MAX_RATIO * height), min(height, _MAX_RATIO * width)
    scale = _SIDE / min(drawn_width, drawn_height)
    sheet = Picture.new("RGB", (round(drawn_width * scale), round(drawn_height * scale)), _PAPER)
    random = Random(int.from_bytes(hashlib.sha256(prompt.encode()).digest()))  # noqa: S311 - a picture is no secret
    scene = _draw_landscape(random, sheet.width - 2 * _MARGIN, _scene_height(sheet))
    sheet.paste(scene, (_MARGIN, _MARGIN))
    _draw_caption(sheet, prompt)
    _draw_stamp(sheet)
    if sheet.size != (width, height):
        sheet = sheet.resize((width, height), Picture.Resampling.LANCZOS)
    return sheet


def _scene_height(sheet: Picture.Image) -> int:
    return sheet.height - _FOOT


def _draw_caption(sheet: Picture.Image, prompt: str) -> None:
    # on a separate strip, which cuts off the text before the stamp
    strip = Picture.new("RGB", (sheet.width - 364, 120), _PAPER)
    letters = strip.width // 15
    lines = textwrap.wrap(_plain_text(prompt), letters, max_lines=2, placeholder=" …")
    text, font = "\n".join(lines), ImageFont.load_default(30)
    ImageDraw.Draw(strip).multiline_text((0, 50), text, _INK, font, "lm", spacing=12)
    sheet.paste(strip, (_MARGIN, _scene_height(sheet) + _MARGIN + 14))


def _plain_text(prompt: str) -> str:
    """Return the prompt in ASCII; empty if that would omit most of it.

    Pillow's built-in font has no other letters.
    """
    text = unicodedata.normalize("NFKD", limit_marks(prompt))
    letters = [char for char in text if not char.isspace()]
    shown = "".join(
        char if char.isascii() and char.isprintable() else " " if char.isspace() else ""
        for char in text
    )
    return shown if 2 * len("".join(shown.split())) > len(letters) else ""


def _draw_stamp(sheet: Picture.Image) -> None:
    """Stamp SKETCH on the paper, slightly rotated."""
    stamp = Picture.new("L", (440, 132), 0)
    draw = ImageDraw.Draw(stamp)
    draw.rounded_rectangle((8, 8, 431, 123), 22, outline=255, width=7)
    draw.text((220, 66), "S K E T C H", 255, ImageFont.load_default(60), "mm", stroke_width=1)
    turned = stamp.resize((220, 66)).rotate(4, Picture.Resampling.BICUBIC, expand=True)
    corner = (sheet.width - _MARGIN - turned.width, _scene_height(sheet) + _MARGIN + 28)
    sheet.paste(_STAMP, corner, turned)


def _draw_landscape(random: Random, width: int, height: int) -> Picture.Image:
    """Draw a sky, the sun or the moon, hazy ridges, and a lake or trees in front."""
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
