"""Files whose colour profile is wide, broken or of another kind than their pixels."""

import struct
import zlib
from collections.abc import Iterator

from image_bytes import (
    GREY_ALPHA,
    P3_COLUMNS,
    PALETTE,
    Colour,
    build_png,
    chunk,
    cmyk_profile,
    grey_profile,
    iccp,
    insert_segments,
    jpeg_segment,
    rgb_profile,
)
from odd_image import (
    CLEAR,
    GREYS,
    INDICES,
    LINEAR_GREYS,
    PALETTE_OF_PLAIN,
    PLAIN,
    SIZE,
    WIDE,
    OddImage,
    draw,
    greys,
    opaque,
    save,
)
from odd_jpegs import build_jpeg, inks_jpeg
from odd_pngs import grey_png, rgb_png
from odd_webps import webp_with

_GREY_BLACK = 0.03
"""The light that black inks reflect."""


def list_profiles() -> Iterator[OddImage]:
    """Yield all files with a profile."""
    wide = rgb_profile(P3_COLUMNS)
    profiles = {"GRAY": grey_profile(1.0), "Display P3": wide, "CMYK": cmyk_profile()}
    profiles |= {
        "junk": b"junk" * 50,
        "a cut": wide[:300],
        "no curve": wide.replace(b"rTRC", b"xxxx"),
    }
    for name, profile in profiles.items():
        levels = greys(*(LINEAR_GREYS if name == "GRAY" else GREYS))
        seen = opaque(WIDE if name == "Display P3" else PLAIN)
        grey_jpeg = save(draw(GREYS, "L"), "JPEG", quality=95, icc_profile=profile)
        yield OddImage(f"PNG: grey, profile {name}", grey_png(8, iccp(profile)), levels)
        yield OddImage(f"JPEG: grey, profile {name}", grey_jpeg, levels)
        yield OddImage(f"PNG: RGB, profile {name}", rgb_png(iccp(profile)), seen)
        yield OddImage(f"JPEG: RGB, profile {name}", build_jpeg(icc_profile=profile), seen)
        yield OddImage(f"WebP: RGB, profile {name}", webp_with(32, b"ICCP", profile), seen)
    content = build_jpeg(icc_profile=rgb_profile(P3_COLUMNS, extra=200_000))
    yield OddImage("JPEG: a profile in several segments", content, opaque(WIDE))
    content = build_png(SIZE, 8, PALETTE, INDICES, iccp(wide), PALETTE_OF_PLAIN)
    yield OddImage("PNG: palette, profile Display P3", content, opaque(WIDE))
    yield from _grey_profiles(iccp(profiles["GRAY"]))
    yield from _wrapped_profiles(wide)
    yield from _split_profiles(wide)
    printing = cmyk_profile(_GREY_BLACK)
    # version 2, like profiles of printers: LittleCMS detects the black point of those
    content = inks_jpeg(icc_profile=printing[:8] + b"\2" + printing[9:])
    seen = opaque([_print(colour) for colour in PLAIN])
    yield OddImage("JPEG: CMYK with a profile whose black is grey", content, seen)


def _print(colour: Colour) -> Colour:
    """Return how a colour looks where black inks reflect some light."""
    light = (_GREY_BLACK + (1 - _GREY_BLACK) * (sample / 255) ** 2.2 for sample in colour)
    return tuple(round(255 * share ** (1 / 2.2)) for share in light)


def _wrapped_profiles(wide: bytes) -> Iterator[OddImage]:
    """Yield files with a complete profile in a container that breaks the format's rules."""
    packed = zlib.compress(wide)
    long = struct.pack(">I", len(wide) + 100) + wide[4:]
    for name, content, seen in (
        ("PNG: a profile without a name", rgb_png(chunk(b"iCCP", b"\0\0" + packed)), PLAIN),
        (
            "PNG: a profile with a long name",
            rgb_png(chunk(b"iCCP", b"n" * 100 + b"\0\0" + packed)),
            PLAIN,
        ),
        (
            "PNG: a profile of unknown compression",
            rgb_png(chunk(b"iCCP", b"n\0\1" + packed)),
            PLAIN,
        ),
        ("PNG: a profile that says it is longer", rgb_png(iccp(long)), PLAIN),
        ("JPEG: a profile that says it is longer", build_jpeg(icc_profile=long), PLAIN),
        ("WebP: a profile that says it is longer", webp_with(32, b"ICCP", long), PLAIN),
        ("JPEG: bytes after a profile", build_jpeg(icc_profile=wide + bytes(64)), WIDE),
    ):
        yield OddImage(name, content, opaque(seen))


def _split_profiles(wide: bytes) -> Iterator[OddImage]:
    """Yield JPEG files whose profile is in segments with odd numbers or places."""
    plain = build_jpeg()
    whole, linear = _segment(1, 1, wide), _segment(1, 1, rgb_profile(gamma=1))
    one, two = _segment(1, 2, wide[:200]), _segment(2, 2, wide[200:])
    for name, content, seen in (
        ("reversed", insert_segments(plain, two, one), WIDE),
        ("the first of two twice", insert_segments(plain, one, two, one), WIDE),
        ("another one after it", insert_segments(plain, whole, linear), WIDE),
        ("after the frame header", plain.replace(b"\xff\xda", whole + b"\xff\xda", 1), WIDE),
        ("the second of two missing", insert_segments(plain, one), PLAIN),
        ("number 0 of 1", insert_segments(plain, _segment(0, 1, wide)), PLAIN),
        ("number 0 of 0", insert_segments(plain, _segment(0, 0, wide)), PLAIN),
    ):
        yield OddImage(f"JPEG: segments of a profile, {name}", content, opaque(seen))


def _segment(number: int, count: int, part: bytes) -> bytes:
    return jpeg_segment(0xE2, b"ICC_PROFILE\0" + bytes((number, count)) + part)


def _grey_profiles(profile: bytes) -> Iterator[OddImage]:
    alpha = [(85, 255), (170, 255), (85, 128), (170, 0)]
    content = build_png(SIZE, 8, GREY_ALPHA, alpha, profile)
    seen = [*greys(156, 213), (156, 156, 156, 128), CLEAR]
    yield OddImage("PNG: grey and alpha, profile GRAY", content, seen)
    content = grey_png(16, profile)
    yield OddImage("PNG: grey of 16 bits, profile GRAY", content, greys(*LINEAR_GREYS))
    content = grey_png(2, profile, chunk(b"tRNS", b"\0\0"))
    seen = [CLEAR, *greys(*LINEAR_GREYS[1:])]
    yield OddImage("PNG: grey of 2 bits, black transparent, profile GRAY", content, seen)
