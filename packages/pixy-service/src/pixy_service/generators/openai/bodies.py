"""Unpacks the body of an answer, up to a limit.

httpx2 would trust the label, fail on a wrong one, and unpack without a limit.
"""

import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import aclosing

import httpx2

from pixy_core import GeneratorResponseError
from pixy_service.pixels.inspection import MAX_BYTES

MAX_ANSWER_BYTES = 2 * MAX_BYTES
"""Unpacked. Base64 takes 4/3 of an image; the rest is for partial images and line breaks."""

_MAX_REFUSAL_BYTES = 1024 * 1024
_STEP = 256 * 1024
_GZIP_OR_ZLIB, _RAW_DEFLATE = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS
# how JSON and server-sent events begin
_begins_text = re.compile(rb'[\s{\["\xef:]|da|ev|id|re').match


async def bound_body(response: httpx2.Response) -> None:
    """Replace the stream of a response by an unpacked and bounded one.

    A hook of the client, because the SDK itself reads the body of a refusal.
    """
    if not isinstance(response.stream, httpx2.AsyncByteStream):
        raise TypeError("the client is not asynchronous")
    label = response.headers.pop("content-encoding", "").lower()
    # a wrong charset would break the SDK's reading of a refusal
    response.headers.pop("content-type", None)
    response.stream = _Body(response.stream, label, is_refusal=not response.is_success)


class _Body(httpx2.AsyncByteStream):
    """The unpacked bytes of another stream, up to the limit.

    A refusal may break off: its status has already said the most.
    """

    def __init__(self, packed: httpx2.AsyncByteStream, label: str, *, is_refusal: bool) -> None:
        self._packed = packed
        self._label = label
        self._is_refusal = is_refusal

    async def __aiter__(self) -> AsyncIterator[bytes]:
        limit = _MAX_REFUSAL_BYTES if self._is_refusal else MAX_ANSWER_BYTES
        # twice: a gateway may compress what is compressed already
        async with aclosing(_unpack(_unpack(self._packed, self._label))) as chunks:
            try:
                async for chunk in chunks:
                    limit -= len(chunk)
                    if limit < 0:
                        break
                    yield chunk
            except httpx2.HTTPError:
                if not self._is_refusal:
                    raise
        if limit < 0 and not self._is_refusal:
            raise GeneratorResponseError

    async def aclose(self) -> None:
        await self._packed.aclose()


async def _unpack(packed: AsyncIterable[bytes], label: str = "") -> AsyncGenerator[bytes]:
    """Yield the content of gzip, zlib or deflate, and other bytes unchanged."""
    head, inflater, is_chosen = b"", None, False
    async for chunk in packed:
        head += chunk
        if not is_chosen:
            if len(head) < 2:
                continue
            inflater, is_chosen = _choose_inflater(head, label), True
        for unpacked in [head] if inflater is None else inflater.inflate(head):
            yield unpacked
        head = b""
    if head:
        yield head


def _choose_inflater(head: bytes, label: str) -> "_Inflater | None":
    """Choose by the first two bytes (RFC 1952, section 2.3.1; RFC 1950, section 2.2)."""
    is_zlib = head[0] & 0x0F == zlib.DEFLATED and int.from_bytes(head[:2]) % 31 == 0
    if head.startswith(b"\x1f\x8b") or is_zlib:
        return _Inflater(_GZIP_OR_ZLIB)
    # what servers of old send as deflate has no header
    return _Inflater(_RAW_DEFLATE) if "deflate" in label and not _begins_text(head) else None


class _Inflater:
    """Unpacks in steps, and ends silently at bytes that can't be unpacked.

    What came before may be enough; a wrong checksum at the end is harmless.
    """

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._inflating = zlib.decompressobj(window_bits)
        self._is_over = False

    def inflate(self, packed: bytes) -> Iterator[bytes]:
        while not self._is_over:
            saved = self._inflating.copy()
            try:
                unpacked = self._inflating.decompress(packed, _STEP)
            except zlib.error:
                self._is_over = True
                yield _inflate_until_error(saved, packed)
                return
            yield unpacked
            packed = self._inflating.unconsumed_tail
            if self._inflating.eof:
                # gzip may have several members (RFC 1952, section 2.2)
                packed = self._inflating.unused_data
                self._inflating = zlib.decompressobj(self._window_bits)
            if not packed and not unpacked:
                return


def _inflate_until_error(inflating: "zlib._Decompress", packed: bytes) -> bytes:
    """Return what was unpacked before an error, which zlib does not return."""
    unpacked = bytearray()
    try:
        for index in range(len(packed)):
            unpacked += inflating.decompress(packed[index : index + 1])
    except zlib.error:
        pass
    return bytes(unpacked)
