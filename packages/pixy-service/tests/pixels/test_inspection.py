import errno
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest

from odd_metadata import ODD_METADATA, png_chunk, with_chunks
from pixy_core import GeneratorResponseError, ImageNotStoredError
from pixy_service.pixels.inspection import (
    MAX_BYTES,
    MAX_SIDE,
    decode_in_turn,
    inspect_image,
    open_image,
    read_properties,
)
from provider_answers import GIF, JPEG, PNG, WEBP, make_png

WHOLE = {"image/png": PNG, "image/jpeg": JPEG, "image/webp": WEBP}
PATIENCE = 30


@pytest.mark.parametrize(("media_type", "content"), WHOLE.items())
def test_a_whole_image_is_described_by_its_bytes(media_type: str, content: bytes) -> None:
    size = (64, 48) if content is PNG else (16, 16)
    assert inspect_image(content) == (media_type, *size)


def test_the_header_is_enough_for_the_properties() -> None:
    for content in WHOLE.values():
        assert read_properties(content) == inspect_image(content)
    cut = PNG[: len(PNG) // 2]
    assert read_properties(cut) == ("image/png", 64, 48)
    with pytest.raises(GeneratorResponseError):
        inspect_image(cut)


@pytest.mark.parametrize("name", ODD_METADATA)
def test_odd_metadata_does_not_make_an_image_undecodable(name: str) -> None:
    content = ODD_METADATA[name]
    is_png = content.startswith(b"\x89PNG")
    expected = ("image/png", 64, 48) if is_png else ("image/jpeg", 16, 16)
    assert inspect_image(content) == expected


def test_metadata_that_unpacks_to_much_takes_little_memory() -> None:
    packed = zlib.compress(bytes(200_000_000), 1)
    text = png_chunk(b"zTXt", b"key\0\0" + packed)
    content = with_chunks(text, png_chunk(b"iCCP", b"name\0\0" + packed))
    tracemalloc.start()
    try:
        assert inspect_image(content) == ("image/png", 64, 48)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_transparency_is_there_when_a_picture_is_decoded() -> None:
    with open_image(with_chunks(png_chunk(b"tRNS", b"\0\x80"))) as picture:
        assert picture.info["transparency"] == 0x80


@pytest.mark.parametrize("content", WHOLE.values())
def test_a_truncated_image_is_refused(content: bytes) -> None:
    for length in (len(content) // 4, len(content) // 2, len(content) * 3 // 4):
        with pytest.raises(GeneratorResponseError):
            inspect_image(content[:length])


def test_a_png_with_a_flipped_bit_is_refused() -> None:
    middle = len(PNG) // 2
    flipped = PNG[:middle] + bytes([PNG[middle] ^ 1]) + PNG[middle + 1 :]
    with pytest.raises(GeneratorResponseError):
        inspect_image(flipped)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\0", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"x" * 10_000, GIF),
        *(b"\xff\xd8\xff\xe0\0\0", b"\xff\xd8\xff\xe0\xff\xff", PNG[:30], PNG[:8] + b"\xff" * 99),
    ],
)
def test_junk_is_refused(content: bytes) -> None:
    with pytest.raises(GeneratorResponseError):
        inspect_image(content)


def test_an_image_as_wide_and_high_as_allowed_is_accepted() -> None:
    assert inspect_image(make_png(MAX_SIDE, 1)) == ("image/png", MAX_SIDE, 1)
    assert inspect_image(make_png(1, MAX_SIDE)) == ("image/png", 1, MAX_SIDE)


@pytest.mark.parametrize(("width", "height"), [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)])
def test_an_image_wider_or_higher_than_allowed_is_refused(width: int, height: int) -> None:
    with pytest.raises(GeneratorResponseError):
        inspect_image(make_png(width, height))


def test_an_image_that_claims_a_huge_size_is_refused_before_it_takes_memory() -> None:
    header = struct.pack(">IIBBBBB", 2_000_000_000, 2_000_000_000, 8, 0, 0, 0, 0)
    start = PNG[:12] + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    with pytest.raises(GeneratorResponseError):
        inspect_image(start + PNG[33:])


def test_a_file_over_the_limit_is_refused_though_it_begins_as_an_image() -> None:
    with pytest.raises(GeneratorResponseError):
        inspect_image(PNG + bytes(MAX_BYTES))


def raising(*errors: Exception) -> Callable[[], str]:
    """Return a decoder that raises these, one a call, and then returns."""
    left: Iterator[Exception] = iter(errors)

    def decode() -> str:
        for error in left:
            raise error
        return "decoded"

    return decode


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.EMFILE, "too many"), OSError(errno.ENOMEM, "no memory")]
)
def test_decoding_is_tried_again_after_a_shortage(error: Exception) -> None:
    decode = raising(error)
    assert decode_in_turn(decode, time.monotonic() + PATIENCE) == "decoded"


def test_a_shortage_until_the_deadline_is_not_the_provider_s_fault() -> None:
    with pytest.raises(ImageNotStoredError) as caught:
        decode_in_turn(raising(MemoryError()), time.monotonic(), b"paid for")
    assert caught.value.answer == b"paid for"


def test_undecodable_bytes_are_not_tried_again() -> None:
    decode = raising(GeneratorResponseError())
    with pytest.raises(GeneratorResponseError):
        decode_in_turn(decode, time.monotonic() + PATIENCE)
    assert decode() == "decoded"


@pytest.mark.parametrize("media_type", ["png", "jpeg", "webp"])
def test_a_decoder_that_lacks_memory_is_not_the_provider_s_fault(media_type: str) -> None:
    script = f"""
import io, resource, sys, time
from PIL import Image
from pixy_core import ImageNotStoredError
from pixy_service.pixels.inspection import decode_in_turn, inspect_image
file = io.BytesIO()
Image.new("RGB", (4096, 4096)).save(file, {media_type!r}, compress_level=1, method=0)
content = file.getvalue()
inspect = lambda: inspect_image(content)
inspect()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 8 * 2**20,) * 2)
try:
    decode_in_turn(inspect, time.monotonic())
except ImageNotStoredError as error:
    print(error.code)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "storage_unavailable\n"
