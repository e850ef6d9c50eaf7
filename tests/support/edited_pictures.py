"""Pictures that a client sends to be edited, and a mask."""

import struct
import zlib

WIDTH, HEIGHT = 64, 48


def make_rgba_png(width: int, height: int, *colours: tuple[int, int, int, int]) -> bytes:
    """Return a PNG with an alpha channel, whose rows have these colours from top to bottom."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    per_colour = -(-height // len(colours))
    rows = b"".join(b"\0" + bytes(colours[row // per_colour]) * width for row in range(height))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


PICTURES = tuple(
    make_rgba_png(WIDTH, HEIGHT, colour)
    for colour in ((200, 30, 30, 255), (30, 200, 30, 255), (30, 30, 200, 255))
)
MASK = make_rgba_png(WIDTH, HEIGHT, (0, 0, 0, 0), (0, 0, 0, 255))
"""Its upper half is transparent: that is what an edit may change."""
