"""Bodies that are packed or not, in whatever pieces they arrive."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from pixy_core import GeneratorResponseError
from pixy_service.generators.openai.bodies import MAX_ANSWER_BYTES, bound_body

TEXT = b'{"data": [{"b64_json": "%s"}]}' % b"".join(b"%d/" % number for number in range(999))
MIB = 1024 * 1024


class Pieces(httpx2.AsyncByteStream):
    """A body in pieces, as the transport gives it."""

    def __init__(self, content: bytes, length: int) -> None:
        self._pieces = [content[at : at + length] for at in range(0, len(content), length)]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def read(content: bytes, *, length: int = MIB, status: int = 200, coding: str = "") -> bytes:
    """Return what the SDK would read of a response."""
    response = httpx2.Response(
        status, headers={"Content-Encoding": coding}, stream=Pieces(content, length)
    )

    async def receive() -> None:
        await bound_body(response)
        await response.aread()

    asyncio.run(receive())
    return response.content


@pytest.mark.parametrize("length", [1, 2, 3, 10, 1000])
@pytest.mark.parametrize("content", [TEXT, b"{", b"x", b"", b"data: 1\n\n", b"\x1f{"])
def test_an_uncompressed_body_is_unchanged(content: bytes, length: int) -> None:
    for coding in ("", "gzip", "br", "zstd, gzip", "junk"):
        assert read(content, length=length, coding=coding) == content


@pytest.mark.parametrize("length", [1, 2, 7, 1000, MIB])
def test_a_compressed_body_is_unpacked(length: int) -> None:
    gzipped, zlibbed = gzip.compress(TEXT), zlib.compress(TEXT)
    for content in (
        *(gzipped, zlibbed, gzip.compress(gzipped), gzip.compress(zlibbed)),
        *(gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]), gzipped + b"\0\0"),
        *(gzipped[:-8], gzipped[:-5], gzipped[:-8] + b"checksum", zlibbed[:-4] + b"\0\0\0\0"),
    ):
        assert read(content, length=length) == TEXT
    assert read(zlibbed[2:-4], length=length, coding="deflate") == TEXT


@pytest.mark.parametrize("length", [1, 1000])
def test_a_broken_body_is_unpacked_up_to_the_break(length: int) -> None:
    gzipped = gzip.compress(TEXT)
    broken = gzipped[:1500] + b"\xff" * 100 + gzipped[1600:]
    unpacked = read(broken, length=length)
    assert len(unpacked) > 1000
    assert TEXT.startswith(unpacked[:1000])


def test_an_answer_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert len(read(bytes(MAX_ANSWER_BYTES))) == MAX_ANSWER_BYTES
    with pytest.raises(GeneratorResponseError):
        read(bytes(MAX_ANSWER_BYTES + 1))


def test_a_refusal_is_read_up_to_its_limit() -> None:
    assert 0 < len(read(b" " * 5 * MIB, status=400, length=1000)) <= MIB
