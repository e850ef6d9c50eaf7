"""Pictures made smaller, whatever kind of picture they are."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image as Picture

from image_bytes import RGB, build_png, chunk, rgb_profile
from pixy_core import ContentDamagedError
from pixy_service.pixels.inspection import MAX_SIDE
from pixy_service.pixels.shrinking import AVIF, THUMBNAIL_TYPES, WEBP, shrink


def encode(picture: Picture.Image, image_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, image_format, **options)
    return file.getvalue()


def decode(content: bytes) -> Picture.Image:
    picture = Picture.open(io.BytesIO(content))
    picture.load()
    return picture


@pytest.mark.parametrize("media_type", THUMBNAIL_TYPES)
@pytest.mark.parametrize(
    ("image_format", "original_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")],
)
def test_each_type_of_original_is_shrunk_in_proportion(
    image_format: str, original_type: str, media_type: str
) -> None:
    original = encode(Picture.new("RGB", (600, 200), (200, 30, 40)), image_format)
    small = decode(shrink(original, original_type, 160, media_type))
    assert (small.size, small.get_format_mimetype()) == ((160, 53), media_type)
    pixel = small.convert("RGB").getpixel((80, 26))
    assert isinstance(pixel, tuple)
    assert max(abs(a - b) for a, b in zip(pixel, (200, 30, 40), strict=True)) < 8


@pytest.mark.parametrize(("size", "expected"), [((3, 900), (3, 900)), ((2000, 3), (160, 1))])
def test_a_picture_is_never_widened_nor_flattened_to_nothing(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    width = min(160, size[0])
    assert decode(shrink(encode(Picture.new("RGB", size)), "image/png", width, WEBP)).size == (
        expected
    )


@pytest.mark.parametrize(
    ("mode", "colour"),
    [("1", 1), ("L", 128), ("P", 3), ("LA", (128, 255)), ("RGBA", (128, 128, 128, 255))],
)
@pytest.mark.parametrize("media_type", THUMBNAIL_TYPES)
def test_every_kind_of_pixel_is_shrunk(mode: str, colour: Any, media_type: str) -> None:
    original = encode(Picture.new(mode, (400, 400), colour))
    assert decode(shrink(original, "image/png", 160, media_type)).size == (160, 160)


def test_greys_of_16_bits_keep_their_shades() -> None:
    original = encode(Picture.new("I;16", (400, 400), 0x8080))
    pixel = decode(shrink(original, "image/png", 160, WEBP)).convert("L").getpixel((5, 5))
    assert isinstance(pixel, int)
    assert abs(pixel - 0x80) < 6


@pytest.mark.parametrize("media_type", THUMBNAIL_TYPES)
def test_transparency_is_kept(media_type: str) -> None:
    original = encode(Picture.new("RGBA", (400, 400), (255, 0, 0, 0)))
    small = decode(shrink(original, "image/png", 160, media_type))
    assert small.convert("RGBA").getchannel("A").getextrema() == (0, 0)


def test_a_picture_on_its_side_is_put_upright_and_its_notes_stay_behind() -> None:
    exif = Picture.Exif()
    exif[0x0112], exif[0x010E] = 6, "secret note"
    original = encode(Picture.new("RGB", (400, 200)), "JPEG", exif=exif)
    content = shrink(original, "image/jpeg", 160, WEBP)
    assert decode(content).size == (160, 320)
    assert b"secret note" not in content


def test_a_picture_that_is_narrow_once_upright_is_not_widened() -> None:
    exif = Picture.Exif()
    exif[0x0112] = 6
    original = encode(Picture.new("RGB", (400, 104)), "JPEG", exif=exif)
    assert decode(shrink(original, "image/jpeg", 160, WEBP)).size == (104, 400)


@pytest.mark.parametrize("media_type", THUMBNAIL_TYPES)
def test_no_colour_profile_stays(media_type: str) -> None:
    profile = rgb_profile(extra=500_000)
    original = encode(Picture.new("RGB", (400, 200)), icc_profile=profile)
    content = shrink(original, "image/png", 160, media_type)
    assert "icc_profile" not in decode(content).info
    assert len(content) < 1000


def test_pillow_decodes_samples_of_16_bits_as_the_transparent_colour_needs() -> None:
    # transparency.py reads lower bytes by a raw mode of Pillow's PNG decoder
    blocks = [(0x1234, 0x5678, 0x9ABC), (0x1235, 0x5678, 0x9ABC), (0x1234, 0x5679, 0x9ABC)]
    key = struct.pack(">3H", 0x1234, 0x5678, 0x9ABC)
    original = build_png((4, 4), 16, RGB, [*blocks, (0, 0, 0)], chunk(b"tRNS", key))
    small = decode(shrink(original, "image/png", 4, WEBP)).convert("RGBA").getchannel("A")
    assert [small.getpixel(place) for place in ((0, 0), (3, 0), (0, 3), (3, 3))] == [0, *[255] * 3]


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    # a header that claims 60,000 by 60,000 pixels, in a file of 100 bytes
    small = encode(Picture.new("L", (1, 1)))
    header = small[16:24], (60_000).to_bytes(4) * 2
    chunk = small[12:29].replace(*header)
    bomb = small[:12] + chunk + zlib.crc32(chunk).to_bytes(4) + small[33:]
    with pytest.raises(ContentDamagedError):
        shrink(bomb, "image/png", 160, WEBP)
    with pytest.raises(ContentDamagedError):
        shrink(encode(Picture.new("1", (MAX_SIDE + 1, 1))), "image/png", 160, WEBP)


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_an_undecodable_original_is_damaged(junk: bytes) -> None:
    with pytest.raises(ContentDamagedError):
        shrink(junk, "image/png", 160, AVIF)


def test_another_type_than_the_row_says_is_damaged() -> None:
    with pytest.raises(ContentDamagedError):
        shrink(encode(Picture.new("RGB", (9, 9)), "WEBP"), "image/png", 9, WEBP)
