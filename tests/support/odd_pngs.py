"""Odd PNG files."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image as Picture

from image_bytes import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    build_exif,
    build_png,
    build_xmp,
    chunk,
    iccp,
    pick_block,
    rgb_profile,
)
from odd_image import (
    CLEAR,
    EBU,
    FILM,
    GREYS,
    INDICES,
    LINEAR,
    LINEAR_GREYS,
    NTSC,
    PALETTE_OF_PLAIN,
    PLAIN,
    SIZE,
    SMPTE_240,
    SMPTE_428,
    VIDEO,
    WIDE,
    WIDEST,
    OddImage,
    draw,
    greys,
    opaque,
    save,
    turn,
    turned,
)


def list_pngs() -> Iterator[OddImage]:
    """Yield all odd PNG files."""
    parts = (
        _greys,
        _colours,
        _key_colours,
        _colour_chunks,
        _png_notes,
        _png_frames,
        _png_orientations,
        _sizes,
    )
    for list_part in parts:
        yield from list_part()


def grey_png(depth: int, *before: bytes, levels: Sequence[int] = GREYS, **options: Any) -> bytes:
    top = 2**depth - 1
    blocks = [(round(level * top / 255),) for level in levels]
    return build_png(SIZE, depth, GREY, blocks, *before, **options)


def _greys() -> Iterator[OddImage]:
    for depth in (1, 2, 4, 8, 16):
        levels = (0, 255, 255, 0) if depth == 1 else GREYS
        content = grey_png(depth, levels=levels)
        yield OddImage(f"PNG: grey of {depth} bits", content, greys(*levels))
        content = grey_png(depth, levels=levels, interlaced=True)
        yield OddImage(f"PNG: grey of {depth} bits, interlaced", content, greys(*levels))
    alpha = [(0, 255), (85, 128), (170, 0), (255, 255)]
    seen = [(0, 0, 0, 255), (85, 85, 85, 128), CLEAR, (255, 255, 255, 255)]
    yield OddImage("PNG: grey and alpha", build_png(SIZE, 8, GREY_ALPHA, alpha), seen)
    deep = [(grey * 257, alpha * 257) for grey, alpha in alpha]
    yield OddImage("PNG: grey and alpha of 16 bits", build_png(SIZE, 16, GREY_ALPHA, deep), seen)


def _colours() -> Iterator[OddImage]:
    deep = [tuple(sample * 257 for sample in colour) for colour in PLAIN]
    yield OddImage("PNG: colours of 16 bits", build_png(SIZE, 16, RGB, deep), opaque(PLAIN))
    alpha = [(*PLAIN[0], 255), (*PLAIN[1], 128), CLEAR, (*PLAIN[3], 255)]
    deep = [tuple(sample * 257 for sample in colour) for colour in alpha]
    yield OddImage("PNG: colours and alpha of 16 bits", build_png(SIZE, 16, RGBA, deep), alpha)
    content = build_png(SIZE, 8, RGBA, alpha, interlaced=True)
    yield OddImage("PNG: colours and alpha, interlaced", content, alpha)
    two = chunk(b"PLTE", bytes((*PLAIN[0], *PLAIN[1])))
    content = build_png(SIZE, 1, PALETTE, [(0,), (1,), (1,), (0,)], two)
    seen = opaque([PLAIN[0], PLAIN[1], PLAIN[1], PLAIN[0]])
    yield OddImage("PNG: palette of 1 bit", content, seen)
    for depth in (2, 4, 8):
        content = build_png(SIZE, depth, PALETTE, INDICES, PALETTE_OF_PLAIN)
        yield OddImage(f"PNG: palette of {depth} bits", content, opaque(PLAIN))
        clear = chunk(b"tRNS", bytes((255, 128, 0)))
        content = build_png(SIZE, depth, PALETTE, INDICES, PALETTE_OF_PLAIN, clear, interlaced=True)
        yield OddImage(f"PNG: palette of {depth} bits with alpha", content, alpha)


def _key_colours() -> Iterator[OddImage]:
    for depth in (1, 2, 4, 8, 16):
        levels = (0, 255, 255, 0) if depth == 1 else GREYS
        key = 2**depth - 1
        content = grey_png(depth, chunk(b"tRNS", struct.pack(">H", key)), levels=levels)
        seen = [CLEAR if colour[0] == 255 else colour for colour in greys(*levels)]
        yield OddImage(f"PNG: grey of {depth} bits with a transparent level", content, seen)
    near = [(0x8080,), (0x8081,), (0x1000,), (0xF000,)]
    content = build_png(SIZE, 16, GREY, near, chunk(b"tRNS", struct.pack(">H", 0x8080)))
    seen = [CLEAR, *greys(0x80, 0x10, 0xF0)]
    yield OddImage("PNG: grey of 16 bits, one of two near levels transparent", content, seen)
    content = build_png(SIZE, 8, RGB, PLAIN, chunk(b"tRNS", struct.pack(">3H", *PLAIN[1])))
    seen = opaque(PLAIN)
    seen[1] = CLEAR
    yield OddImage("PNG: a transparent colour", content, seen)
    deep = [tuple(sample * 257 for sample in colour) for colour in PLAIN]
    deep[0] = (deep[1][0], deep[1][1], deep[1][2] + 1)
    content = build_png(SIZE, 16, RGB, deep, chunk(b"tRNS", struct.pack(">3H", *deep[1])))
    seen = [(*PLAIN[1], 255), CLEAR, *opaque(PLAIN[2:])]
    yield OddImage("PNG: of 16 bits, one of two near colours transparent", content, seen)
    content = grey_png(2, chunk(b"tRNS", struct.pack(">H", 0)), interlaced=True)
    yield OddImage("PNG: black transparent, interlaced", content, [CLEAR, *greys(*GREYS[1:])])


def _gamma(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_P3_PRIMARIES = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)

_NEGATIVE_PRIMARIES = struct.pack(">8i", 31270, 32900, 73470, 26530, -10000, 60000, 15000, 6000)


def _colour_chunks() -> Iterator[OddImage]:
    srgb = chunk(b"cHRM", _PRIMARIES)
    p3 = chunk(b"cHRM", _P3_PRIMARIES)
    cicp = chunk(b"cICP", bytes((12, 13, 0, 1)))
    linear = rgb_profile(gamma=1)
    for name, seen, chunks in (
        ("gamma 1 alone", LINEAR, [_gamma(100_000)]),
        ("gamma 0.45455 alone", PLAIN, [_gamma(45_455)]),
        ("gamma 0", PLAIN, [_gamma(0), srgb]),
        ("gamma 1 and primaries", LINEAR, [_gamma(100_000), srgb]),
        ("gamma 0.45455 and wide primaries", WIDE, [_gamma(45_455), p3]),
        ("wide primaries alone", PLAIN, [p3]),
        ("primaries of zeros", PLAIN, [_gamma(45_455), chunk(b"cHRM", bytes(32))]),
        ("gamma 1, overruled by sRGB", PLAIN, [_gamma(100_000), p3, chunk(b"sRGB", b"\0")]),
        ("gamma 1, overruled by a profile", PLAIN, [_gamma(100_000), srgb, iccp(rgb_profile())]),
        ("gamma 1 beside a broken profile", LINEAR, [_gamma(100_000), chunk(b"iCCP", b"p\0\0?")]),
        ("sRGB, overruled by a profile", LINEAR, [chunk(b"sRGB", b"\0"), iccp(linear)]),
        ("gamma 1 beside sRGB of no bytes", LINEAR, [_gamma(100_000), chunk(b"sRGB")]),
        ("gamma 1 beside sRGB of no intent", LINEAR, [_gamma(100_000), chunk(b"sRGB", b"\t")]),
        ("negative primaries", PLAIN, [_gamma(45_455), chunk(b"cHRM", _NEGATIVE_PRIMARIES)]),
        ("cICP of sRGB", PLAIN, [chunk(b"cICP", bytes((1, 13, 0, 1)))]),
        ("cICP of BT.2020", WIDEST, [chunk(b"cICP", bytes((9, 13, 0, 1)))]),
        ("cICP of light", LINEAR, [chunk(b"cICP", bytes((1, 8, 0, 1)))]),
        ("cICP of video", VIDEO, [chunk(b"cICP", bytes((1, 1, 0, 1)))]),
        ("cICP of EBU 3213", EBU, [chunk(b"cICP", bytes((22, 13, 0, 1)))]),
        ("cICP of film", FILM, [chunk(b"cICP", bytes((8, 13, 0, 1)))]),
        ("cICP of NTSC", NTSC, [chunk(b"cICP", bytes((4, 13, 0, 1)))]),
        ("cICP of SMPTE 240M", SMPTE_240, [chunk(b"cICP", bytes((1, 7, 0, 1)))]),
        ("cICP of SMPTE 428", SMPTE_428, [chunk(b"cICP", bytes((1, 17, 0, 1)))]),
        ("cICP of limited range", PLAIN, [chunk(b"cICP", bytes((1, 13, 0, 0)))]),
        ("cICP of Display P3 over sRGB", WIDE, [chunk(b"sRGB", b"\0"), cicp]),
        ("cICP of Display P3 over a profile", WIDE, [iccp(linear), cicp]),
        ("sBIT and bKGD", PLAIN, [chunk(b"sBIT", b"\5\6\5"), chunk(b"bKGD", bytes(6))]),
        ("oblong pixels", PLAIN, [chunk(b"pHYs", struct.pack(">IIB", 2000, 1000, 0))]),
    ):
        yield OddImage(f"PNG: {name}", build_png(SIZE, 8, RGB, PLAIN, *chunks), opaque(seen))
    content = grey_png(8, _gamma(100_000))
    yield OddImage("PNG: grey with gamma 1 alone", content, greys(*LINEAR_GREYS))
    content = grey_png(8, iccp(linear))
    yield OddImage("PNG: grey with a profile of RGB", content, greys(*LINEAR_GREYS))


def rgb_png(*before: bytes, **options: Any) -> bytes:
    return build_png(SIZE, 8, RGB, PLAIN, *before, **options)


def _png_notes() -> Iterator[OddImage]:
    long = b"x" * (1024 * 1024 + 1)
    packed = zlib.compress(long)
    for name, content in {
        "zTXt of more than 1 MiB": rgb_png(chunk(b"zTXt", b"note\0\0" + packed)),
        "iTXt of more than 1 MiB": rgb_png(chunk(b"iTXt", b"note\0\1\0\0\0" + packed)),
        "iCCP of more than 1 MiB": rgb_png(iccp(rgb_profile(extra=1 << 20) + bytes(256))),
        "iCCP that is no zlib": rgb_png(chunk(b"iCCP", b"profile\0\0junk")),
        "empty iCCP": rgb_png(chunk(b"iCCP")),
        "text after the image data": rgb_png(after=chunk(b"tEXt", b"note\0text")),
        "bytes after the end": rgb_png() + b"junk" * 100,
        "image data of one byte a chunk": rgb_png(data_length=1),
        "empty image data chunks": rgb_png(
            chunk(b"IDAT"), after=chunk(b"IDAT") + chunk(b"tIME", bytes((7, 234, 1, 1, 1, 1, 1)))
        ),
        "an unknown chunk": rgb_png(chunk(b"piXy", bytes(1000))),
        "eXIf of garbage": rgb_png(chunk(b"eXIf", b"garbage!")),
        "eXIf of no bytes": rgb_png(chunk(b"eXIf")),
        "eXIf cut short": rgb_png(chunk(b"eXIf", build_exif(6)[:14])),
        "eXIf whose directory is far away": rgb_png(
            chunk(b"eXIf", b"II*\0\xff\xff\xff\x7f" + build_exif(6)[8:])
        ),
        "EXIF as a raw profile in text": rgb_png(
            chunk(b"tEXt", b"Raw profile type exif\0" + _raw_profile(b"Exif\0\0" + build_exif(6)))
        ),
        "orientation in XMP": rgb_png(
            chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + build_xmp(6))
        ),
        "orientation 0": rgb_png(chunk(b"eXIf", build_exif(0))),
        "orientation 9": rgb_png(chunk(b"eXIf", build_exif(9))),
        "orientation 6 in four bytes": rgb_png(chunk(b"eXIf", build_exif(6, kind=4))),
        "orientation 6 after the image data": rgb_png(after=chunk(b"eXIf", build_exif(6))),
        "orientation 6 with JPEG's prefix": rgb_png(chunk(b"eXIf", b"Exif\0\0" + build_exif(6))),
        "orientation 6 with a wrong checksum": rgb_png(chunk(b"eXIf", build_exif(6))[:-1] + b"?"),
        "gamma 1 after the image data": rgb_png(after=_gamma(100_000)),
    }.items():
        yield OddImage(f"PNG: {name}", content, opaque(PLAIN))


def _raw_profile(data: bytes) -> bytes:
    return f"\nexif\n{len(data):8}\n{data.hex()}\n".encode()


def _frame(number: int, size: tuple[int, int], place: tuple[int, int] = (0, 0)) -> bytes:
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *size, *place, 10, 1, 0, 0))


def _png_frames() -> Iterator[OddImage]:
    start = chunk(b"acTL", struct.pack(">II", 1, 1))
    yield OddImage("PNG: an animation of one frame", rgb_png(start, _frame(0, SIZE)), opaque(PLAIN))
    other = build_png(SIZE, 8, RGB, [(9, 9, 9)] * 4, data_length=1 << 20)
    place = other.index(b"IDAT")
    data = other[place + 4 : place + 4 + int.from_bytes(other[place - 4 : place])]
    second = _frame(1, SIZE) + chunk(b"fdAT", struct.pack(">I", 2) + data)
    start = chunk(b"acTL", struct.pack(">II", 2, 1))
    content = rgb_png(start, _frame(0, SIZE), after=second)
    yield OddImage("PNG: an animation", content, opaque(PLAIN))


def _png_orientations() -> Iterator[OddImage]:
    for orientation in range(1, 9):
        content = rgb_png(chunk(b"eXIf", build_exif(orientation)))
        yield turned(f"PNG: orientation {orientation}", content, orientation)
    exif = build_exif(6, order=">")
    yield turned("PNG: orientation 6, big end first", rgb_png(chunk(b"eXIf", exif)), 6)
    exif = build_exif(6)
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + build_xmp(3))
    content = rgb_png(chunk(b"eXIf", exif), xmp)
    yield turned("PNG: orientation 6, 3 in XMP", content, 6)
    content = grey_png(1, chunk(b"eXIf", exif), levels=(0, 255, 255, 0), interlaced=True)
    yield OddImage("PNG: grey of 1 bit on its side", content, greys(255, 0, 0, 255), (160, 240))
    clear = chunk(b"tRNS", bytes((255, 128, 0)))
    content = build_png(SIZE, 2, PALETTE, INDICES, PALETTE_OF_PLAIN, clear, chunk(b"eXIf", exif))
    blocks, size = turn(6, [(*PLAIN[0], 255), (*PLAIN[1], 128), CLEAR, (*PLAIN[3], 255)])
    yield OddImage("PNG: palette with alpha on its side", content, blocks, size)
    content = grey_png(16, chunk(b"eXIf", exif))
    yield OddImage("PNG: grey of 16 bits on its side", content, greys(170, 0, 255, 85), (160, 240))


def _sizes() -> Iterator[OddImage]:
    for size in ((1, 1), (1, 240), (8192, 1), (1, 8192)):
        blocks = [pick_block(PLAIN, x, y, size) for y in (0, size[1] - 1) for x in (0, size[0] - 1)]
        name = f"PNG: {size[0]}x{size[1]}"
        content = build_png(size, 8, RGB, PLAIN, interlaced=size[1] == 1)
        yield OddImage(name, content, opaque(blocks), size)
    content = save(draw(size=(1, 1)), "WEBP", lossless=True)
    yield OddImage("WebP: 1x1", content, opaque([PLAIN[0]] * 4), (1, 1))
    content = save(Picture.new("RGB", (1, 1), PLAIN[0]), "JPEG", quality=95)
    yield OddImage("JPEG: 1x1", content, opaque([PLAIN[0]] * 4), (1, 1))
