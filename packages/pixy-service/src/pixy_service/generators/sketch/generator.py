"""The offline generator: a picture drawn on this machine, clearly marked as a sketch.

The same prompt and size always give the same picture.
"""

import hashlib
import io
import textwrap
import time
import unicodedata
from random import Random

from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from pixy_core import limit_marks
from pixy_core.images import AUTO, read_size
from pixy_service.generators.interface import GeneratedImage, OnPartial, ignore_partial
from pixy_service.generators.sketch.landscape import draw_landscape

_NAME = "sketch"
_MODEL = "sketch-1"
_SIDE = 1024
_MARGIN = 56
_FOOT = 244
"""What lies below the scene, for the caption and the stamp."""

_ROUGH_SIDES = (24, 72, 216)
"""Pixels of the longer side of unfinished pictures: the rougher, the earlier."""

_PAUSE = 1.0
"""Seconds for which an unfinished picture is there to be seen."""

_PAPER = (247, 242, 231)
_INK = (58, 52, 48)
_STAMP = (176, 58, 46)


class SketchGenerator:
    """Draws a framed landscape above the prompt and the word SKETCH.

    Args:
        partial_images: Number of partial images, 0 to MAX_PARTIALS.
        pause: Seconds after each of them, so that they can be seen.
    """

    name = _NAME

    def __init__(self, partial_images: int = 0, *, pause: float = _PAUSE) -> None:
        self._rough_sides = _ROUGH_SIDES[:partial_images]
        self._pause = pause

    def check(self, size: str, quality: str) -> None:
        """Return: every size and quality is supported."""

    def generate(
        self,
        prompt: str,
        *,
        user: str,
        size: str = AUTO,
        quality: str = AUTO,
        on_partial: OnPartial = ignore_partial,
    ) -> GeneratedImage:
        """Draw one image.

        Args:
            prompt: Determines the picture.
            user: Ignored.
            size: `auto`, which is 1024x1024, or width and height.
            quality: Ignored.
            on_partial: Called with coarse versions of the picture.
        """
        del user, quality
        width, height = read_size(size) or (_SIDE, _SIDE)
        sheet = _draw_sheet(prompt, width, height)
        for side in self._rough_sides:
            rough = sheet.copy()
            rough.thumbnail((side, side))
            on_partial(_encode(rough))
            time.sleep(self._pause)
        return GeneratedImage(_encode(sheet), "image/png", width, height, _NAME, _MODEL)

    def close(self) -> None:
        """Do nothing."""


def _encode(sheet: Picture.Image) -> bytes:
    file = io.BytesIO()
    # quicker than Pillow's own level, for a file that is hardly larger
    sheet.save(file, "PNG", compress_level=4)
    return file.getvalue()


def _draw_sheet(prompt: str, width: int, height: int) -> Picture.Image:
    """Draw the sheet with its usual shorter side, then scale it to the requested size."""
    scale = _SIDE / min(width, height)
    sheet = Picture.new("RGB", (round(width * scale), round(height * scale)), _PAPER)
    random = Random(int.from_bytes(hashlib.sha256(prompt.encode()).digest()))  # noqa: S311 - a picture is no secret
    scene = draw_landscape(random, sheet.width - 2 * _MARGIN, _scene_height(sheet))
    sheet.paste(scene, (_MARGIN, _MARGIN))
    _draw_caption(sheet, prompt)
    _draw_stamp(sheet)
    if sheet.size != (width, height):
        sheet = sheet.resize((width, height), Picture.Resampling.LANCZOS)
    return sheet


def _scene_height(sheet: Picture.Image) -> int:
    return sheet.height - _FOOT


def _draw_caption(sheet: Picture.Image, prompt: str) -> None:
    # on a strip of its own, whose edge keeps wide letters away from the stamp
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
