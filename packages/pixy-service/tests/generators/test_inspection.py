import struct
import zlib

import pytest

from pixy_core import GeneratorResponseError
from pixy_service.generators.inspection import MAX_BYTES, MAX_SIDE, inspect_image
from provider_answers import GIF, JPEG, PNG, WEBP, make_png

WHOLE = {"image/png": PNG, "image/jpeg": JPEG, "image/webp": WEBP}


@pytest.mark.parametrize(("media_type", "content"), WHOLE.items())
def test_a_whole_image_is_measured(media_type: str, content: bytes) -> None:
    assert inspect_image(content, media_type) == ((64, 48) if content is PNG else (16, 16))


@pytest.mark.parametrize("claimed", WHOLE)
@pytest.mark.parametrize("real", WHOLE)
def test_an_image_of_another_type_than_claimed_is_refused(claimed: str, real: str) -> None:
    if claimed == real:
        assert inspect_image(WHOLE[real], claimed)
    else:
        with pytest.raises(GeneratorResponseError):
            inspect_image(WHOLE[real], claimed)


@pytest.mark.parametrize(("media_type", "content"), WHOLE.items())
def test_a_truncated_image_is_refused(media_type: str, content: bytes) -> None:
    for length in (len(content) // 4, len(content) // 2, len(content) * 3 // 4):
        with pytest.raises(GeneratorResponseError):
            inspect_image(content[:length], media_type)


def test_a_png_with_a_flipped_bit_is_refused() -> None:
    middle = len(PNG) // 2
    flipped = PNG[:middle] + bytes([PNG[middle] ^ 1]) + PNG[middle + 1 :]
    with pytest.raises(GeneratorResponseError):
        inspect_image(flipped, "image/png")


@pytest.mark.parametrize("content", [b"", b"\0", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"x" * 10_000])
@pytest.mark.parametrize("media_type", WHOLE)
def test_junk_is_refused(media_type: str, content: bytes) -> None:
    with pytest.raises(GeneratorResponseError):
        inspect_image(content, media_type)


@pytest.mark.parametrize("media_type", ["image/gif", "image/svg+xml", "text/html", "", "PNG"])
def test_a_type_that_is_not_stored_is_refused(media_type: str) -> None:
    with pytest.raises(GeneratorResponseError):
        inspect_image(GIF, media_type)


def test_an_image_as_wide_and_high_as_allowed_is_accepted() -> None:
    assert inspect_image(make_png(MAX_SIDE, 1), "image/png") == (MAX_SIDE, 1)
    assert inspect_image(make_png(1, MAX_SIDE), "image/png") == (1, MAX_SIDE)


@pytest.mark.parametrize(("width", "height"), [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)])
def test_an_image_wider_or_higher_than_allowed_is_refused(width: int, height: int) -> None:
    with pytest.raises(GeneratorResponseError):
        inspect_image(make_png(width, height), "image/png")


def test_an_image_that_claims_a_huge_size_is_refused_before_it_takes_memory() -> None:
    header = struct.pack(">IIBBBBB", 2_000_000_000, 2_000_000_000, 8, 0, 0, 0, 0)
    start = PNG[:12] + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    with pytest.raises(GeneratorResponseError):
        inspect_image(start + PNG[33:], "image/png")


def test_a_file_over_the_limit_is_refused_though_it_begins_as_an_image() -> None:
    with pytest.raises(GeneratorResponseError):
        inspect_image(PNG + bytes(MAX_BYTES), "image/png")
