"""Reads the chunks of a PNG file that Pillow does not read, or reads differently."""

import struct
import zlib

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_chunks(content: bytes) -> dict[bytes, bytes]:
    """Return the valid chunks before the image data by name, the first of each.

    Browsers ignore all others. A file of another type has no chunks.
    """
    chunks: dict[bytes, bytes] = {}
    place = len(PNG_SIGNATURE) if content.startswith(PNG_SIGNATURE) else len(content)
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        if name == b"IDAT":
            break
        if name not in chunks and zlib.crc32(content[place + 4 : end]) == int.from_bytes(
            content[end : end + 4]
        ):
            chunks[name] = content[place + 8 : end]
        place = end + 4
    return chunks
