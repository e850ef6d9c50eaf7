"""What an uploaded file must be, told by its bytes."""

import struct
import zlib

import pytest

from image_bytes import RGB, build_png, chunk
from odd_image import OddImage, draw, save
from odd_images import ODD_IMAGES
from odd_jpegs import build_jpeg
from pixy_core import InvalidInputError
from pixy_service.pixels.uploads import MAX_PIXELS, has_transparency, inspect_upload
from provider_answers import GIF, JPEG, PNG, WEBP, make_png

WHOLE = "must be a whole PNG, JPEG or WebP image"
IMAGE = "must be a PNG, JPEG or WebP image"
ANIMATED = "must not be animated"
TRAILING = "must not have bytes after the end of the image"
BLOCKS = [(9, 9, 9)] * 4


def refuse(content: bytes, max_pixels: int = MAX_PIXELS) -> str:
    """Return why a file is refused."""
    with pytest.raises(InvalidInputError) as caught:
        inspect_upload(content, max_pixels)
    ((location, reason),) = caught.value.errors
    assert location == ("file",)
    return reason


@pytest.mark.parametrize(
    ("content", "properties"),
    [
        (PNG, ("image/png", 64, 48)),
        (JPEG, ("image/jpeg", 16, 16)),
        (WEBP, ("image/webp", 16, 16)),
    ],
)
def test_a_still_image_is_described(content: bytes, properties: tuple[object, ...]) -> None:
    assert inspect_upload(content, MAX_PIXELS) == properties


@pytest.mark.parametrize("odd", ODD_IMAGES.values(), ids=ODD_IMAGES)
def test_an_odd_image_is_kept_unless_it_moves_or_goes_on(odd: OddImage) -> None:
    name = odd.name.partition(": ")[2]
    if name.startswith("bytes after the end"):
        assert refuse(odd.content) == TRAILING
    elif "animat" in name and name != "an animation that begins with a part":
        assert refuse(odd.content) == ANIMATED
    else:
        assert inspect_upload(odd.content, MAX_PIXELS).width > 0


@pytest.mark.parametrize(
    "content", [b"", b"junk", GIF, b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_what_is_no_image_is_refused(content: bytes) -> None:
    assert refuse(content) == IMAGE


@pytest.mark.parametrize("content", [PNG[:-30], JPEG[: len(JPEG) // 2], WEBP[:-9]])
def test_half_an_image_is_refused(content: bytes) -> None:
    assert refuse(content) in (WHOLE, IMAGE)


@pytest.mark.parametrize("content", [PNG, JPEG, WEBP])
@pytest.mark.parametrize("rest", [b"PK\3\4 an archive", b"<script>", b"\0" * 9 + b"x"])
def test_a_file_that_is_something_else_as_well_is_refused(content: bytes, rest: bytes) -> None:
    assert refuse(content + rest) == TRAILING


@pytest.mark.parametrize("content", [PNG, JPEG, WEBP])
def test_padding_after_the_end_is_no_content(content: bytes) -> None:
    assert inspect_upload(content + b"\0" * 5000, MAX_PIXELS)


def test_a_camera_may_append_smaller_pictures_to_a_jpeg() -> None:
    progressive = build_jpeg(progressive=True, restart_marker_blocks=3)
    pictures = progressive + JPEG + b"\0" * 100 + JPEG
    assert inspect_upload(pictures, MAX_PIXELS).media_type == "image/jpeg"
    assert refuse(pictures + b"PK") == TRAILING
    assert refuse(JPEG + JPEG[:40] + b"PK" + JPEG[40:] + b"PK") == TRAILING


def test_an_animated_png_is_refused() -> None:
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    assert refuse(build_png((4, 4), 8, RGB, BLOCKS, control)) == ANIMATED


def test_an_animated_webp_is_refused() -> None:
    frames = [draw(BLOCKS)]
    assert refuse(save(draw(), "WEBP", save_all=True, append_images=frames)) == ANIMATED


def test_pixels_are_counted_before_any_is_decoded() -> None:
    assert refuse(PNG, 64 * 48 - 1) == "must have at most 3,071 pixels"
    assert inspect_upload(PNG, 64 * 48).width == 64
    # the header claims 200 GB of pixels, and no pixel follows
    header = struct.pack(">IIBBBBB", 250_000, 250_000, 8, 6, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
    for content in (bomb + chunk(b"IEND"), make_png(11_000, 9000), make_png(8193, 1)):
        assert refuse(content) == "must have no side longer than 8192 pixels"


def test_an_alpha_channel_is_told_by_the_pixels() -> None:
    clear = [(0, 0, 0, 0)] * 4
    assert has_transparency(save(draw(clear, "RGBA"), "PNG"))
    assert has_transparency(save(draw([(0, 0)] * 4, "LA"), "PNG"))
    assert not has_transparency(PNG)
    assert not has_transparency(b"junk")
