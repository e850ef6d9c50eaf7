"""Odd WebP files."""

import struct
from collections.abc import Iterator
from typing import Any

from image_bytes import (
    P3_COLUMNS,
    Colour,
    build_exif,
    build_webp,
    build_xmp,
    rgb_profile,
    riff_chunk,
)
from odd_image import CLEAR, PLAIN, SIZE, OddImage, draw, opaque, save

_ALPHA: list[Colour] = [(*PLAIN[0], 255), (*PLAIN[1], 128), CLEAR, (*PLAIN[3], 255)]


def list_webps() -> Iterator[OddImage]:
    """Yield all odd WebP files."""
    parts = _webps, _webp_frames, _webp_notes
    for list_part in parts:
        yield from list_part()


def _webp(**options: Any) -> bytes:
    return save(draw(), "WEBP", **{"lossless": True, **options})


def _webps() -> Iterator[OddImage]:
    yield OddImage("WebP: lossy", _webp(lossless=False, quality=95), opaque(PLAIN))
    alpha = draw(_ALPHA, "RGBA")
    yield OddImage("WebP: lossless with alpha", save(alpha, "WEBP", lossless=True), _ALPHA)
    yield OddImage("WebP: lossy with alpha", save(alpha, "WEBP", quality=95), _ALPHA)
    yield OddImage("WebP: bytes after the end", _webp() + b"junk" * 100, opaque(PLAIN))
    body = _webp()[12:]
    content = build_webp(body, riff_chunk(b"piXy", b"odd"))
    yield OddImage("WebP: an unknown chunk", content, opaque(PLAIN))


def _webp_frames() -> Iterator[OddImage]:
    frames = [draw([(9, 9, 9)] * 4)]
    content = _webp(save_all=True, append_images=frames, duration=1_000_000)
    yield OddImage("WebP: an animation", content, opaque(PLAIN))
    wide = rgb_profile(P3_COLUMNS)
    content = _webp(save_all=True, append_images=frames, duration=1_000_000, icc_profile=wide)
    # Chromium uses profiles of still pictures only
    yield OddImage("WebP: an animation with a profile", content, opaque(PLAIN))
    # the first frame fills the right half only
    part = save(
        draw([PLAIN[1], PLAIN[1], PLAIN[3], PLAIN[3]], size=(120, 160)), "WEBP", lossless=True
    )
    place = (60, 0)
    frame = b"".join(_u24(n) for n in (*place, 119, 159, 0xFFFFFF)) + b"\0" + part[12:]
    header = b"\x12\0\0\0" + _u24(SIZE[0] - 1) + _u24(SIZE[1] - 1)
    content = build_webp(
        riff_chunk(b"VP8X", header),
        riff_chunk(b"ANIM", bytes((255, 255, 255, 255, 0, 0))),
        riff_chunk(b"ANMF", frame),
    )
    seen = [CLEAR, (*PLAIN[1], 255), CLEAR, (*PLAIN[3], 255)]
    yield OddImage("WebP: an animation that begins with a part", content, seen)


def _u24(number: int) -> bytes:
    return struct.pack("<I", number)[:3]


def webp_with(flag: int, kind: bytes, data: bytes) -> bytes:
    header = bytes((flag, 0, 0, 0)) + _u24(SIZE[0] - 1) + _u24(SIZE[1] - 1)
    notes = riff_chunk(kind, data)
    parts = [riff_chunk(b"VP8X", header), _webp()[12:]]
    parts.insert(1 if kind == b"ICCP" else 2, notes)
    return build_webp(*parts)


def _webp_notes() -> Iterator[OddImage]:
    for name, content in {
        "EXIF of garbage": webp_with(8, b"EXIF", b"garbage!"),
        "EXIF of no bytes": webp_with(8, b"EXIF", b""),
        "orientation in XMP": webp_with(4, b"XMP ", build_xmp(6)),
        "orientation 9": webp_with(8, b"EXIF", build_exif(9)),
        # Chromium does not turn WebP
        "orientation 6": webp_with(8, b"EXIF", build_exif(6)),
        "orientation 3 with JPEG's prefix": webp_with(8, b"EXIF", b"Exif\0\0" + build_exif(3)),
    }.items():
        yield OddImage(f"WebP: {name}", content, opaque(PLAIN))
