"""Images that every browser shows, with metadata that is large, broken or unusual."""

import struct
import zlib

from provider_answers import JPEG, PNG

_AFTER_HEADER = 33
_LARGE_TEXT = zlib.compress(b"x" * 1_048_577)


def png_chunk(kind: bytes, data: bytes, checksum: int | None = None) -> bytes:
    """Return a chunk of a PNG file.

    Args:
        kind: Four letters.
        data: The content.
        checksum: A wrong checksum; None for the right one.
    """
    if checksum is None:
        checksum = zlib.crc32(kind + data)
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", checksum)


def with_chunks(*chunks: bytes, position: int = _AFTER_HEADER) -> bytes:
    """Return PNG with more chunks."""
    return PNG[:position] + b"".join(chunks) + PNG[position:]


def _with_segment(marker: int, payload: bytes, after: int = 2) -> bytes:
    segment = struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
    return JPEG[:2] + segment + JPEG[after:]


_EMPTY_CHUNKS = (b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"tRNS", b"eXIf", b"cICP", b"acTL")
_AFTER_JFIF = 20

ODD_METADATA = {
    "zTXt over 1 MiB": with_chunks(png_chunk(b"zTXt", b"key\0\0" + _LARGE_TEXT)),
    "zTXt over 1 MiB, last": with_chunks(
        png_chunk(b"zTXt", b"key\0\0" + _LARGE_TEXT), position=len(PNG) - 12
    ),
    "iTXt over 1 MiB": with_chunks(png_chunk(b"iTXt", b"key\0\1\0\0\0" + _LARGE_TEXT)),
    "iCCP over 1 MiB": with_chunks(png_chunk(b"iCCP", b"name\0\0" + _LARGE_TEXT)),
    "54 MB of tEXt": with_chunks(*[png_chunk(b"tEXt", b"key\0" + bytes(900_000))] * 60),
    "68 MB in zTXt": with_chunks(
        *[png_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(1_000_000)))] * 68
    ),
    "zTXt of an unknown method": with_chunks(png_chunk(b"zTXt", b"key\0\5...")),
    "iCCP of an unknown method": with_chunks(png_chunk(b"iCCP", b"name\0\5...")),
    "iCCP that is not compressed": with_chunks(png_chunk(b"iCCP", b"name\0\0...")),
    "tEXt with a wrong checksum": with_chunks(png_chunk(b"tEXt", b"key\0text", checksum=1)),
    "iCCP with a wrong checksum": with_chunks(
        png_chunk(b"iCCP", b"name\0\0" + zlib.compress(b"profile"), checksum=1)
    ),
    "fcTL that is too short": with_chunks(png_chunk(b"fcTL", b"\0\0\0\0")),
    **{
        f"{kind.decode()} without data": with_chunks(png_chunk(kind, b"")) for kind in _EMPTY_CHUNKS
    },
    "cut within the last tEXt": with_chunks(
        png_chunk(b"tEXt", b"key\0" + bytes(100))[:50], position=len(PNG) - 12
    )[:-12],
    "without IEND": PNG[:-12],
    "bytes after IEND": PNG + b"\r\n",
    "JFIF that is too short": _with_segment(0xE0, b"JFIF\0", after=_AFTER_JFIF),
    "Adobe that is too short": _with_segment(0xEE, b"Adobe"),
    "ICC that is too short": _with_segment(0xE2, b"ICC_PROFILE\0"),
    "Photoshop that is too short": _with_segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed"),
    "MPF that is none": _with_segment(0xE2, b"MPF\0garbage!"),
    "bytes after the JPEG": JPEG + b"\0\0\r\n",
}
"""PNG files of 64x48 and JPEG files of 16x16 pixels."""
