import io

import pytest
from PIL import Image as Picture

from pixy_service.generators.interface import ImageOrder
from pixy_service.generators.sketch import SketchGenerator

PROMPTS = ["a lighthouse", "🦊", "日本の山", "a" * 32_000, "\x1b[31m\r\nred\u202e", "x"]


def draw(prompt: str, user: str = "ann") -> bytes:
    return SketchGenerator().generate(ImageOrder(prompt, user)).content


def test_the_same_prompt_gives_the_same_picture() -> None:
    assert draw("a lighthouse") == draw("a lighthouse")


def test_another_prompt_gives_another_picture() -> None:
    assert draw("a lighthouse") != draw("a lighthouse ")


def test_the_user_makes_no_difference() -> None:
    assert draw("a lighthouse", "ann") == draw("a lighthouse", "ben")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_every_prompt_gives_a_complete_and_small_png_of_the_reported_size(prompt: str) -> None:
    image = SketchGenerator().generate(ImageOrder(prompt, "ann"))
    with Picture.open(io.BytesIO(image.content), formats=["PNG"]) as picture:
        picture.load()
        assert picture.size == (image.width, image.height) == (1024, 1024)
    assert image.media_type == "image/png"
    assert len(image.content) < 300_000


def test_a_sketch_says_that_it_is_one() -> None:
    image = SketchGenerator().generate(ImageOrder("a lighthouse", "ann"))
    assert (image.generator, image.model) == ("sketch", "sketch-1")


def test_every_picture_bears_the_same_stamp() -> None:
    corner = (740, 860, 970, 970)
    stamps = set()
    for prompt in ("a lighthouse", "two foxes", "W" * 100):
        with Picture.open(io.BytesIO(draw(prompt))) as picture:
            stamps.add(picture.crop(corner).tobytes())
    assert len(stamps) == 1
    assert len(set(stamps.pop())) > 10


def test_a_picture_is_more_than_a_plain_surface() -> None:
    with Picture.open(io.BytesIO(draw("a lighthouse"))) as picture:
        colours = picture.getcolors(picture.width * picture.height)
    assert colours is not None
    assert len(colours) > 100


@pytest.mark.parametrize("size", ["auto", "1536x1024", "1024x1536", "16x16", "48x16", "3840x2160"])
def test_a_picture_has_the_size_that_is_asked_for(size: str) -> None:
    image = SketchGenerator().generate(ImageOrder("a lighthouse", "ann", size=size, quality="high"))
    expected = (1024, 1024) if size == "auto" else tuple(map(int, size.split("x")))
    with Picture.open(io.BytesIO(image.content)) as picture:
        assert picture.size == (image.width, image.height) == expected
        colours = picture.convert("RGB").getcolors(picture.width * picture.height)
    assert colours is not None
    assert len(colours) > 50


def test_auto_is_a_square() -> None:
    whole = SketchGenerator().generate(ImageOrder("a lighthouse", "ann", size="1024x1024")).content
    assert whole == draw("a lighthouse")


def test_without_partial_images_none_is_drawn() -> None:
    shown: list[bytes] = []
    SketchGenerator().generate(ImageOrder("x", "ann"), shown.append)
    assert shown == []


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_partial_images_become_finer_and_leave_the_picture_as_it_is(wanted: int) -> None:
    shown: list[bytes] = []
    image = SketchGenerator(wanted, pause=0).generate(
        ImageOrder("a lighthouse", "ann", size="384x256"), shown.append
    )
    plain = SketchGenerator().generate(ImageOrder("a lighthouse", "ann", size="384x256"))
    assert image == plain
    widths = []
    for content in shown:
        with Picture.open(io.BytesIO(content), formats=["PNG"]) as picture:
            picture.load()
            assert picture.width == 1.5 * picture.height
            widths.append(picture.width)
    assert len(widths) == wanted
    assert widths == sorted(set(widths))
