"""Odd JPEG files."""

import struct
from collections.abc import Iterator
from typing import Any

from PIL import Image as Picture

from image_bytes import (
    P3_COLUMNS,
    build_exif,
    build_xmp,
    cmyk_profile,
    drop_segment,
    insert_segments,
    jpeg_segment,
    rgb_profile,
)
from odd_image import GREYS, PLAIN, SIZE, OddImage, draw, greys, opaque, save, turned


def list_jpegs() -> Iterator[OddImage]:
    """Yield all odd JPEG files."""
    parts = _jpegs, _jpeg_inks, _jpeg_notes, _jpeg_orientations
    for list_part in parts:
        yield from list_part()


def build_jpeg(**options: Any) -> bytes:
    return save(draw(), "JPEG", **{"quality": 95, **options})


def _jpegs() -> Iterator[OddImage]:
    plain = build_jpeg()
    for name, content in {
        "progressive": build_jpeg(progressive=True),
        "4:1:1": _sampled(4, 1),
        "4:4:0": _sampled(1, 2),
        "restart markers": build_jpeg(restart_marker_blocks=3),
        "RGB": build_jpeg(keep_rgb=True),
        "no JFIF header": drop_segment(plain, 0xE0),
        "JFIF with a density": build_jpeg(dpi=(300, 100)),
        "JFIF with a thumbnail": insert_segments(
            drop_segment(plain, 0xE0),
            jpeg_segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\4\4" + bytes(48)),
        ),
        "bytes after the end": plain + b"junk" * 100,
        "padding before markers": plain[:2] + b"\xff" * 5 + plain[2:],
        "a long comment": build_jpeg(comment=b"x" * 65000),
    }.items():
        yield OddImage(f"JPEG: {name}", content, opaque(PLAIN))
    grey = save(draw(GREYS, "L"), "JPEG", quality=95)
    yield OddImage("JPEG: grey", grey, greys(*GREYS))
    content = save(draw(), "MPO", save_all=True, append_images=[draw([(9, 9, 9)] * 4)], quality=95)
    yield OddImage("JPEG: two pictures (MPO)", content, opaque(PLAIN))


def _sampled(across: int, down: int) -> bytes:
    """Return a JPEG with one sample of colour for `across` times `down` pixels.

    Pillow can't write such files, but the scan of a grey file has the form of any single component.
    """
    small = -(-SIZE[0] // across), -(-SIZE[1] // down)
    planes = draw().convert("YCbCr").split()
    parts = [planes[0], *(plane.resize(small, Picture.Resampling.BOX) for plane in planes[1:])]
    scans = b""
    for number, part in enumerate(parts, 1):
        grey = save(part, "JPEG", quality=95)
        start = grey.index(b"\xff\xda")
        scans += jpeg_segment(0xDA, bytes((1, number, 0, 0, 63, 0))) + grey[start + 10 : -2]
    grey = save(parts[0], "JPEG", quality=95)
    frame = grey.index(b"\xff\xc0")
    factors = bytes((1, across << 4 | down, 0, 2, 0x11, 0, 3, 0x11, 0))
    header = jpeg_segment(0xC0, struct.pack(">BHHB", 8, SIZE[1], SIZE[0], 3) + factors)
    tables = grey[frame + 13 : grey.index(b"\xff\xda")]
    return grey[:frame] + header + tables + scans + b"\xff\xd9"


def inks_jpeg(**options: Any) -> bytes:
    inks = [(*(255 - sample for sample in colour), 0) for colour in PLAIN]
    return save(draw(inks, "CMYK"), "JPEG", quality=95, **options)


def _jpeg_inks() -> Iterator[OddImage]:
    yield OddImage("JPEG: CMYK", inks_jpeg(), opaque(PLAIN))
    yield OddImage("JPEG: CMYK, progressive", inks_jpeg(progressive=True), opaque(PLAIN))
    yield OddImage(
        "JPEG: CMYK without Adobe's marker", drop_segment(inks_jpeg(), 0xEE), opaque(PLAIN)
    )
    ycck = _ycck()
    yield OddImage("JPEG: YCCK", ycck, opaque(PLAIN))
    content = inks_jpeg(icc_profile=cmyk_profile())
    yield OddImage("JPEG: CMYK with a profile", content, opaque(PLAIN))
    content = inks_jpeg(icc_profile=rgb_profile(P3_COLUMNS))
    yield OddImage("JPEG: CMYK with a profile of RGB", content, opaque(PLAIN))
    content = inks_jpeg(icc_profile=b"junk" * 50)
    yield OddImage("JPEG: CMYK with a broken profile", content, opaque(PLAIN))


def _ycck() -> bytes:
    """Return a JPEG of YCbCr and black: CMYK data whose Adobe marker says transform 2."""
    light = draw([tuple(255 - sample for sample in colour) for colour in PLAIN]).convert("YCbCr")
    black = Picture.new("L", SIZE, 255)
    picture = Picture.merge("CMYK", (*light.split(), black))
    # Pillow inverts CMYK when it writes, as Adobe does
    content = save(picture.point(lambda sample: 255 - sample), "JPEG", quality=95)
    place = content.index(b"Adobe") + 11
    return content[:place] + b"\2" + content[place + 1 :]


def app1(exif: bytes) -> bytes:
    return jpeg_segment(0xE1, b"Exif\0\0" + exif)


def _jpeg_notes() -> Iterator[OddImage]:
    plain = build_jpeg()
    xmp = b"http://ns.adobe.com/xap/1.0/\0"
    for name, content in {
        "EXIF of garbage": insert_segments(plain, app1(b"garbage!")),
        "EXIF of no bytes": insert_segments(plain, app1(b"")),
        "EXIF cut short": insert_segments(plain, app1(build_exif(6)[:14])),
        "orientation 0": insert_segments(plain, app1(build_exif(0))),
        "orientation 9": insert_segments(plain, app1(build_exif(9))),
        "orientation in XMP": insert_segments(plain, jpeg_segment(0xE1, xmp + build_xmp(6))),
        "orientation 6 in four bytes": insert_segments(plain, app1(build_exif(6, kind=4))),
        "orientation 6 after garbage": insert_segments(
            plain, app1(b"garbage!"), app1(build_exif(6))
        ),
    }.items():
        yield OddImage(f"JPEG: {name}", content, opaque(PLAIN))


def _jpeg_orientations() -> Iterator[OddImage]:
    plain = build_jpeg()
    for orientation in range(1, 9):
        content = insert_segments(plain, app1(build_exif(orientation)))
        yield turned(f"JPEG: orientation {orientation}", content, orientation)
    exif = app1(build_exif(6))
    xmp = jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + build_xmp(3))
    for name, content in {
        "big end first": insert_segments(plain, app1(build_exif(6, order=">"))),
        "3 in XMP": insert_segments(plain, xmp, exif),
        "behind an empty block": insert_segments(plain, app1(b""), exif),
        "behind JFIF": plain[:20] + exif + plain[20:],
        "then 3": insert_segments(plain, exif, app1(build_exif(3))),
        "with another pad byte": insert_segments(
            plain, jpeg_segment(0xE1, b"Exif\0\xff" + build_exif(6))
        ),
        "after the frame header": plain.replace(b"\xff\xda", exif + b"\xff\xda", 1),
    }.items():
        yield turned(f"JPEG: orientation 6, {name}", content, 6)
    content = insert_segments(inks_jpeg(), exif)
    yield turned("JPEG: CMYK on its side", content, 6)
