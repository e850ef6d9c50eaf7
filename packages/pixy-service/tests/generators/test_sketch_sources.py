"""What the sketch draws from sources, and in which formats it draws."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as Picture
from PIL import ImageChops

from pixy_core import GeneratorClientError
from pixy_service.generators.interface import GeneratedImage, ImageOrder, SourceFile
from pixy_service.generators.sketch import SketchGenerator
from pixy_service.pixels.inspection import inspect_image

RED, GREEN, BLUE = (200, 0, 0, 255), (0, 160, 0, 255), (0, 0, 200, 255)
CLEAR = (0, 0, 0, 0)
SIZE = (320, 240)
Save = Callable[..., SourceFile]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Return a function that saves a picture of one colour, or any, as a source."""

    def save(picture: Picture.Image | tuple[int, ...], kind: str = "png") -> SourceFile:
        if isinstance(picture, tuple):
            picture = Picture.new("RGBA", SIZE, picture)
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        picture.convert("RGB" if kind == "jpeg" else "RGBA").save(path, kind)
        return SourceFile(path, f"image/{kind}", *picture.size)

    return save


def generate(prompt: str = "a fox", **options: object) -> GeneratedImage:
    return SketchGenerator(pause=0).generate(ImageOrder(prompt, "ann", **options))  # type: ignore[arg-type]


def read(image: GeneratedImage) -> Picture.Image:
    assert inspect_image(image.content) == (image.media_type, image.width, image.height)
    with Picture.open(io.BytesIO(image.content)) as picture:
        return picture.convert("RGBA")


def draw(prompt: str = "a fox", **options: object) -> Picture.Image:
    return read(generate(prompt, **options))


def differ(first: Picture.Image, second: Picture.Image) -> float:
    """Return the mean difference of two pictures of one size, 0 to 255."""
    difference = ImageChops.difference(first.convert("RGB"), second.convert("RGB")).convert("L")
    counts = difference.histogram()
    return sum(level * count for level, count in enumerate(counts)) / sum(counts)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_picture_from_a_source_is_that_source_visibly_changed(save: Save, kind: str) -> None:
    drawn = draw(sources=(save(BLUE, kind),))
    blue = Picture.new("RGBA", SIZE, BLUE)
    assert drawn.size == SIZE
    plain = draw(size="1024x1024").resize(SIZE)
    assert 10 < differ(drawn, blue) < differ(plain, blue)


def test_the_same_sources_give_the_same_picture_and_others_another(save: Save) -> None:
    blue, red = save(BLUE), save(RED)
    assert generate(sources=(blue,)) == generate(sources=(blue,))
    pictures = {
        generate(prompt, sources=sources).content
        for prompt in ("a fox", "a heron")
        for sources in ((blue,), (red,), (blue, red), (red, blue))
    }
    assert len(pictures) == 8


def test_several_sources_are_side_by_side_in_their_order(save: Save) -> None:
    drawn = draw(sources=(save(RED), save(GREEN), save(BLUE)), size="1536x1024")
    assert drawn.size == (1536, 1024)
    strongest = []
    for left in (0, 512, 1024):
        mean = drawn.crop((left, 0, left + 512, 1024)).resize((1, 1), Picture.Resampling.BOX)
        red, green, blue, _ = mean.getpixel((0, 0))
        strongest.append(max((red, "red"), (green, "green"), (blue, "blue"))[1])
    assert strongest == ["red", "green", "blue"]


def test_sixteen_sources_fit_into_a_narrow_picture(save: Save) -> None:
    narrow = save(Picture.new("RGBA", (10, 30), RED))
    assert draw(sources=(narrow,) * 16).size == (10, 30)


def test_only_what_is_transparent_in_the_mask_changes(save: Save) -> None:
    mask = Picture.new("RGBA", SIZE, (0, 0, 0, 255))
    mask.paste(CLEAR, (0, 0, 160, 240))
    # almost transparent is not transparent
    mask.paste((0, 0, 0, 1), (0, 200, 160, 240))
    for sources in ((save(BLUE),), (save(BLUE), save(RED))):
        drawn = draw(sources=sources, mask=save(mask))
        blue = Picture.new("RGBA", SIZE, BLUE)
        for kept in ((160, 0, 320, 240), (0, 200, 320, 240)):
            assert drawn.crop(kept).tobytes() == blue.crop(kept).tobytes()
        assert differ(drawn.crop((0, 0, 160, 200)), blue.crop((0, 0, 160, 200))) > 10


def test_a_source_that_is_stored_rotated_is_drawn_as_people_see_it(tmp_path: Path) -> None:
    picture = Picture.new("RGB", (40, 20), "red")
    picture.paste("blue", (20, 0, 40, 20))
    exif = Picture.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "rotated", "png", exif=exif)
    source = SourceFile(tmp_path / "rotated", "image/png", 20, 40)
    drawn = draw(sources=(source,))
    assert drawn.size == (20, 40)
    upper, lower = drawn.getpixel((10, 5)), drawn.getpixel((10, 35))
    assert isinstance(upper, tuple)
    assert isinstance(lower, tuple)
    assert (upper[0] > upper[2], lower[0] > lower[2]) == (True, False)


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (2, 3000), (2881, 2881)])
def test_a_source_of_any_size_gives_a_picture(save: Save, size: tuple[int, int]) -> None:
    drawn = draw(sources=(save(Picture.new("RGB", size, "red")),))
    assert drawn.size == ((2880, 2880) if size == (2881, 2881) else size)


def test_a_source_that_can_t_be_read_costs_nothing(tmp_path: Path) -> None:
    missing = SourceFile(tmp_path / "missing", "image/png", 16, 16)
    with pytest.raises(GeneratorClientError):
        generate(sources=(missing,))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_picture_has_the_format_that_is_asked_for(save: Save, kind: str) -> None:
    for sources in ((), (save(CLEAR),)):
        image = generate(output_format=kind, sources=sources)
        assert image.media_type == f"image/{kind}"
        assert inspect_image(image.content).media_type == f"image/{kind}"


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_lower_compression_value_gives_a_smaller_file(kind: str) -> None:
    sizes = [
        len(generate(output_format=kind, output_compression=percent).content)
        for percent in (0, 50, None, 100)
    ]
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_transparent_background_is_one(kind: str) -> None:
    drawn = draw(output_format=kind, background="transparent")
    edge, middle = drawn.getpixel((5, 5)), drawn.getpixel((512, 300))
    assert isinstance(edge, tuple)
    assert isinstance(middle, tuple)
    assert (edge[3], middle[3]) == (0, 255)


@pytest.mark.parametrize("background", [None, "auto", "opaque"])
def test_another_background_is_opaque(background: str | None) -> None:
    assert draw(background=background).getextrema()[3] == (255, 255)


def test_what_is_transparent_in_a_source_stays_so_unless_the_background_is_opaque(
    save: Save,
) -> None:
    mask = save(Picture.new("RGBA", SIZE, (0, 0, 0, 255)))
    order: dict[str, object] = {"sources": (save(CLEAR),), "mask": mask}
    assert draw(**order).getextrema()[3] == (0, 0)
    assert draw(**order, background="opaque").getextrema()[3] == (255, 255)


@pytest.mark.parametrize(("own", "ordered", "shown"), [(2, None, 2), (2, 0, 0), (0, 3, 3)])
def test_an_order_decides_on_partial_images_before_the_generator(
    own: int, ordered: int | None, shown: int
) -> None:
    seen: list[bytes] = []
    generator = SketchGenerator(own, pause=0)
    generator.generate(ImageOrder("a fox", "ann", partial_images=ordered), seen.append)
    assert len(seen) == shown
