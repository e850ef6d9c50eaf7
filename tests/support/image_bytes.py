"""Image files built from chunks, EXIF blocks and colour profiles that Pillow can't write."""

import functools
import itertools
import struct
import zlib
from collections.abc import Sequence

Colour = tuple[int, ...]

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
"""Colour types of PNG."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pick_block(blocks: Sequence[Colour], x: int, y: int, size: tuple[int, int]) -> Colour:
    """Return the colour at a position in a picture of two by two blocks, in reading order."""
    return blocks[2 * (2 * y >= size[1] > 1) + (2 * x >= size[0] > 1)]


def png_pixels(
    size: tuple[int, int], depth: int, blocks: Sequence[Colour], *, interlaced: bool = False
) -> bytes:
    """Return the unpacked image data of a PNG of four blocks.

    Args:
        size: Width and height.
        depth: Bits of a sample.
        blocks: The samples of each block, in reading order.
        interlaced: Whether in the seven passes of Adam7.
    """
    width, height = size
    data = b""
    for left, top, step, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns = range(left, width, step)
        if not columns:
            continue
        rows = {
            half: b"\0" + _pack([pick_block(blocks, x, half, size) for x in columns], depth)
            for half in (0, height - 1)
        }
        for y in range(top, height, down):
            data += rows[height - 1 if 2 * y >= height else 0]
    return data


def _pack(pixels: list[Colour], depth: int) -> bytes:
    samples = [sample for pixel in pixels for sample in pixel]
    if depth == 16:
        return struct.pack(f">{len(samples)}H", *samples)
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def build_png(
    size: tuple[int, int],
    depth: int,
    colour_type: int,
    blocks: Sequence[Colour],
    *before: bytes,
    after: bytes = b"",
    interlaced: bool = False,
    data_length: int = 8192,
) -> bytes:
    """Return a PNG file of four blocks.

    Args:
        size: Width and height.
        depth: Bits of a sample.
        colour_type: GREY, RGB, PALETTE, GREY_ALPHA or RGBA.
        blocks: The samples of each block, in reading order.
        before: Chunks before the image data.
        after: Chunks after it.
        interlaced: Whether in the seven passes of Adam7.
        data_length: Bytes of each chunk of image data.
    """
    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, interlaced)
    packed = zlib.compress(png_pixels(size, depth, blocks, interlaced=interlaced))
    parts = [packed[i : i + data_length] for i in range(0, len(packed), data_length)]
    idat = b"".join(chunk(b"IDAT", part) for part in parts)
    return b"".join((_SIGNATURE, chunk(b"IHDR", header), *before, idat, after, chunk(b"IEND")))


def iccp(profile: bytes) -> bytes:
    """Return the chunk of a PNG that holds a colour profile."""
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))


def build_exif(orientation: int, *, order: str = "<", kind: int = 3) -> bytes:
    """Return EXIF data with an orientation.

    Args:
        orientation: 1 to 8.
        order: Byte order: "<" for Intel's, ">" for Motorola's.
        kind: The type of the number: 3 for two bytes, 4 for four.
    """
    number = struct.pack(order + ("HH" if kind == 3 else "I"), *([orientation, 0][: 5 - kind]))
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    entry = struct.pack(order + "HHI", 0x0112, kind, 1) + number
    return start + struct.pack(order + "H", 1) + entry + struct.pack(order + "I", 0)


def build_xmp(orientation: int) -> bytes:
    """Return an XMP packet with an orientation."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        f'tiff:Orientation="{orientation}"/></rdf:RDF></x:xmpmeta>'
    ).encode()


def jpeg_segment(marker: int, data: bytes) -> bytes:
    """Return a segment of a JPEG file."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def insert_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Return a JPEG file with segments directly after its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def drop_segment(jpeg: bytes, marker: int) -> bytes:
    """Return a JPEG file without the first segment of a kind."""
    place = jpeg.index(bytes((0xFF, marker)))
    return jpeg[:place] + jpeg[place + 2 + int.from_bytes(jpeg[place + 2 : place + 4]) :]


def riff_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a WebP file."""
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def build_webp(*chunks: bytes) -> bytes:
    """Return a WebP file."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


D50 = (0.9642, 1.0, 0.8249)
SRGB_COLUMNS = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
P3_COLUMNS = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
"""Red, green and blue in XYZ, adapted to D50."""
_GRID = 7


def rgb_profile(
    columns: Sequence[Sequence[float]] = SRGB_COLUMNS, gamma: float = 2.2, extra: int = 0
) -> bytes:
    """Return an ICC profile of an RGB space: three primaries and a gamma.

    Args:
        columns: The primaries.
        gamma: The gamma of all three curves.
        extra: More bytes, in a separate tag.
    """
    tags = {
        b"wtpt": _xyz(D50),
        b"rXYZ": _xyz(columns[0]),
        b"gXYZ": _xyz(columns[1]),
        b"bXYZ": _xyz(columns[2]),
        b"rTRC": _curve(gamma),
        b"gTRC": _curve(gamma),
        b"bTRC": _curve(gamma),
    }
    if extra:
        tags[b"meta"] = b"data\0\0\0\0\0\0\0\1" + bytes(range(256)) * (extra // 256)
    return _profile(b"RGB ", b"XYZ ", b"mntr", tags)


def grey_profile(gamma: float = 2.2) -> bytes:
    """Return an ICC profile of greys."""
    return _profile(b"GRAY", b"XYZ ", b"mntr", {b"wtpt": _xyz(D50), b"kTRC": _curve(gamma)})


@functools.cache
def cmyk_profile(black_light: float = 0) -> bytes:
    """Return an ICC profile of ideal inks: each absorbs its own primary, black absorbs all.

    Args:
        black_light: Share of the light that is reflected where there is most ink.
    """
    steps = [step / (_GRID - 1) for step in range(_GRID)]
    table = bytearray()
    for cyan, magenta, yellow, black in itertools.product(steps, repeat=4):
        light = [((1 - ink) * (1 - black)) ** 2.2 for ink in (cyan, magenta, yellow)]
        light = [black_light + (1 - black_light) * share for share in light]
        table += bytes(_lab8(light))
    ramp = bytes(range(256))
    lut = (
        b"mft1\0\0\0\0"
        + bytes((4, 3, _GRID, 0))
        + struct.pack(">9i", *(0x10000 if i % 4 == 0 else 0 for i in range(9)))
        + ramp * 4
        + bytes(table)
        + ramp * 3
    )
    tags = {b"wtpt": _xyz(D50), b"A2B0": lut, b"A2B1": lut, b"A2B2": lut}
    return _profile(b"CMYK", b"Lab ", b"prtr", tags)


def _lab8(light: Sequence[float]) -> list[int]:
    mixed = zip(*SRGB_COLUMNS, strict=True)
    xyz = [sum(a * b for a, b in zip(row, light, strict=True)) for row in mixed]

    def f(t: float) -> float:
        return t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116

    x, y, z = (f(value / white) for value, white in zip(xyz, D50, strict=True))
    lightness, a, b = 116 * y - 16, 500 * (x - y), 200 * (y - z)
    return [round(min(255, max(0, v))) for v in (lightness * 2.55, a + 128, b + 128)]


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in values)


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256))


def _profile(space: bytes, pcs: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _text("made for a test"), b"cprt": _text("nobody's"), **tags}
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12x4s4xI4s4sQI",
        *(offset + len(body), b"test", 0x04300000, kind, space, pcs),
        *(b"acsp", 0, b"test", b"test", 0, 0),
    )
    header += b"".join(_fixed(value) for value in D50)
    return header.ljust(128, b"\0") + table + body


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return (
        b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded
    )
