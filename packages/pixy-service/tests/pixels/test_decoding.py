"""Decoding what was paid for: whose fault it is, and how often it is tried."""

import errno
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from pixy_core import GeneratorResponseError, ImageNotStoredError
from pixy_service.pixels.decoding import decode_in_turn

PATIENCE = 30


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
from pixy_service.pixels.decoding import decode_in_turn
from pixy_service.pixels.inspection import inspect_image
file = io.BytesIO()
Image.new("RGB", (4096, 4096)).save(file, {media_type!r})
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
