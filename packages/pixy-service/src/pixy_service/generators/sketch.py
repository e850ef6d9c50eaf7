"""The offline generator: a picture drawn on this machine, plainly marked as a sketch.

The same prompt always gives the same picture. The scene itself stands in landscape.py.
"""

import hashlib
import io
import textwrap
import unicodedata
from random import Random

from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from pixy_service.generators.interface import GeneratedImage
from pixy_service.generators.landscape import draw_landscape

_NAME = "sketch"
_MODEL = "sketch-1"
_SIDE = 1024
_MARGIN = 56
_SCENE_HEIGHT = 780
_PAPER = (247, 242, 231)
_INK = (58, 52, 48)
_STAMP = (176, 58, 46)
_CAPTION_WIDTH = 44
"""Characters on a line of the caption."""


class SketchGenerator:
    """Draws a framed landscape with the prompt below it and the word SKETCH beside that."""

    name = _NAME

    def generate(self, prompt: str, *, user: str) -> GeneratedImage:
        """Draw one image.

        Args:
            prompt: Decides the whole picture.
            user: Makes no difference here.
        """
        del user
        seed = int.from_bytes(hashlib.sha256(prompt.encode()).digest())
        sheet = Picture.new("RGB", (_SIDE, _SIDE), _PAPER)
        random = Random(seed)  # noqa: S311 - a picture is no secret
        scene = draw_landscape(random, _SIDE - 2 * _MARGIN, _SCENE_HEIGHT)
        sheet.paste(scene, (_MARGIN, _MARGIN))
        _draw_caption(sheet, prompt)
        _draw_stamp(sheet)
        file = io.BytesIO()
        # quicker than Pillow's own level, for a file that is hardly larger
        sheet.save(file, "PNG", compress_level=4)
        return GeneratedImage(file.getvalue(), "image/png", _SIDE, _SIDE, _NAME, _MODEL)

    def close(self) -> None:
        """Do nothing: a sketch holds nothing."""


def _draw_caption(sheet: Picture.Image, prompt: str) -> None:
    lines = textwrap.wrap(_plain_text(prompt), _CAPTION_WIDTH, max_lines=2, placeholder=" …")
    # on a strip of its own, whose edge keeps wide letters away from the stamp
    strip = Picture.new("RGB", (660, 120), _PAPER)
    text, font = "\n".join(lines), ImageFont.load_default(30)
    ImageDraw.Draw(strip).multiline_text((0, 50), text, _INK, font, "lm", spacing=12)
    sheet.paste(strip, (_MARGIN, _SCENE_HEIGHT + _MARGIN + 14))


def _plain_text(prompt: str) -> str:
    """Return the prompt in ASCII, or nothing when that would leave out most of it.

    Pillow's built-in font has no other letters.
    """
    letters = [char for char in unicodedata.normalize("NFKD", prompt) if not char.isspace()]
    shown = "".join(
        char if char.isascii() and char.isprintable() else " " if char.isspace() else ""
        for char in unicodedata.normalize("NFKD", prompt)
    )
    return shown if 2 * len("".join(shown.split())) > len(letters) else ""


def _draw_stamp(sheet: Picture.Image) -> None:
    """Stamp SKETCH on the paper, slightly askew as a hand does."""
    stamp = Picture.new("L", (440, 132), 0)
    draw = ImageDraw.Draw(stamp)
    draw.rounded_rectangle((8, 8, 431, 123), 22, outline=255, width=7)
    draw.text((220, 66), "S K E T C H", 255, ImageFont.load_default(60), "mm", stroke_width=1)
    turned = stamp.resize((220, 66)).rotate(4, Picture.Resampling.BICUBIC, expand=True)
    corner = (_SIDE - _MARGIN - turned.width, _SCENE_HEIGHT + _MARGIN + 28)
    sheet.paste(_STAMP, corner, turned)
