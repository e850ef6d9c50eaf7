"""Files whose colour profile is wide, broken or of another kind than their pixels."""

from collections.abc import Iterator

from image_bytes import (
    GREY_ALPHA,
    P3_COLUMNS,
    PALETTE,
    build_png,
    chunk,
    cmyk_profile,
    grey_profile,
    iccp,
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
from odd_jpegs import build_jpeg
from odd_pngs import grey_png, rgb_png
from odd_webps import webp_with


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
