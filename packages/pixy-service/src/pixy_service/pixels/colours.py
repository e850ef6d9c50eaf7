"""Colours as browsers show them: the colour space, its conversion to sRGB, the transparent colour.

Checked with Chromium 156, which for PNG prefers cICP to iCCP, iCCP to sRGB, and sRGB to gAMA.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import reduce

from PIL import Image as Picture
from PIL import ImageChops, ImageCms

from pixy_service.pixels.icc_profiles import SRGB_PRIMARIES, Curve, build_profile, gamma_curve
from pixy_service.pixels.inspection import open_image
from pixy_service.pixels.metadata import read_chunks, read_segments

_MAX_PROFILE = 8 * 1024 * 1024
"""Bytes, unpacked."""

_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
_LONGEST_NAME = 80  # one more than the PNG specification says, as browsers
_INTENTS = (b"\0", b"\1", b"\2", b"\3")
_JPEG_PROFILE = b"ICC_PROFILE\0"
_APP2 = 0xE2
_OPAQUE = 255
_WEBP_ANIMATION = 0x02

# ITU-T H.273, tables 2 and 3: white, red, green and blue as x and y, and curves
_D65, _C = (0.3127, 0.329), (0.310, 0.316)
_PRIMARIES = {
    1: SRGB_PRIMARIES,
    4: (_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    8: (_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (_D65, (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (_D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    22: (_D65, (0.63, 0.34), (0.295, 0.605), (0.155, 0.077)),
}
_SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_CURVES = {
    **dict.fromkeys((1, 6, 11, 14, 15), gamma_curve(2.4)),  # video, shown as ITU-R BT.1886 says
    4: gamma_curve(2.2),
    5: gamma_curve(2.8),
    7: Curve(20 / 9, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0913),
    8: gamma_curve(1),
    13: _SRGB_CURVE,
    17: Curve(2.6, (52.37 / 48) ** (1 / 2.6), 0, 1, 0),
}


def find_profile(picture: Picture.Image, content: bytes) -> bytes | None:
    """Return the ICC profile of a file; None if it is sRGB or says nothing."""
    if picture.format == "PNG":
        profile = _find_png_profile(read_chunks(content))
    elif picture.format == "JPEG":
        profile = _join_jpeg_profile(content)
    else:
        # Chromium shows the numbers of an animation as they are
        is_animation = content[12:16] == b"VP8X" and content[20] & _WEBP_ANIMATION
        profile = None if is_animation else picture.info.get("icc_profile")
    # one that is cut short is ignored
    return profile if profile and int.from_bytes(profile[:4]) <= len(profile) else None


def convert_to_srgb(picture: Picture.Image, profile: bytes | None) -> Picture.Image:
    """Return a picture in sRGB, of mode RGB or RGBA.

    Args:
        picture: Of mode L, LA, RGB, RGBA or CMYK.
        profile: Its ICC profile. A broken or unsuitable one is ignored, as browsers do.
    """
    alpha = picture.getchannel("A") if picture.mode in ("LA", "RGBA") else None
    colours = picture if alpha is None else picture.convert(picture.mode.removesuffix("A"))
    converted = _apply(profile, colours) if profile else None
    converted = converted or colours.convert("RGB")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _apply(profile: bytes, picture: Picture.Image) -> Picture.Image | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES.get(source.profile.xcolor_space.strip())
        if (picture.mode, mode) == ("L", "RGB"):
            picture = picture.convert("RGB")
        if picture.mode != mode:
            return None
        return ImageCms.profileToProfile(picture, source, _build_srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _build_srgb() -> ImageCms.ImageCmsProfile:
    # to version 4, LittleCMS maps black to black; browsers leave the black of inks grey
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[8] = 2
    return ImageCms.ImageCmsProfile(io.BytesIO(data))


def _join_jpeg_profile(content: bytes) -> bytes | None:
    """Return the profile of a JPEG file, which may be split over numbered segments."""
    parts: dict[int, bytes] = {}
    counts = set()
    for data in read_segments(content, _APP2):
        if data.startswith(_JPEG_PROFILE) and len(data) > len(_JPEG_PROFILE) + 2:
            number, count = data[12:14]
            parts.setdefault(number, data[14:])
            counts.add(count)
    is_whole = len(counts) == 1 and parts.keys() == set(range(1, max(counts) + 1))
    return b"".join(parts[number] for number in sorted(parts)) if is_whole else None


def _find_png_profile(chunks: dict[bytes, bytes]) -> bytes | None:
    coded = chunks.get(b"cICP", b"")
    if len(coded) == 4 and coded[2:] == b"\0\1":
        primaries, curve = _PRIMARIES.get(coded[0]), _CURVES.get(coded[1])
        if primaries and curve:
            return build_profile(primaries, curve)
    profile = _unpack_profile(chunks.get(b"iCCP", b""))
    if profile or chunks.get(b"sRGB") in _INTENTS:
        return profile
    return _build_gamma_profile(chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))


def _unpack_profile(data: bytes) -> bytes | None:
    name, _, packed = data.partition(b"\0")
    if not 1 <= len(name) <= _LONGEST_NAME or packed[:1] != b"\0":
        return None
    try:
        return zlib.decompressobj().decompress(packed[1:], _MAX_PROFILE) or None
    except zlib.error:
        return None


def _build_gamma_profile(gamma: bytes, places: bytes) -> bytes | None:
    exponent = int.from_bytes(gamma) / 100_000 if len(gamma) == 4 else 0
    if not exponent:
        return None
    curve = gamma_curve(1 / exponent)
    x = [number / 100_000 for number in struct.unpack(">8I", places)] if len(places) == 32 else []
    if x and max(x) <= 1:
        primaries = (x[0], x[1]), (x[2], x[3]), (x[4], x[5]), (x[6], x[7])
        profile = build_profile(primaries, curve)
        if profile is not None:
            return profile
    # the usual value without primaries says sRGB, which is not quite a power
    return None if abs(exponent * 2.2 - 1) < 0.05 else build_profile(SRGB_PRIMARIES, curve)


def make_transparent(picture: Picture.Image, content: bytes) -> Picture.Image:
    """Return a grey or RGB picture, with alpha if its file has a transparent colour (tRNS).

    Pillow would compare that colour with samples that are scaled to 8 bits.

    Args:
        picture: The loaded picture, of mode L, I;16 or RGB.
        content: Its PNG file.
    """
    depth, key = content[24], read_chunks(content).get(b"tRNS", b"")
    samples = struct.unpack(f">{len(key) // 2}H", key[: len(key) // 2 * 2])
    if len(samples) != len(picture.mode.removesuffix(";16")):
        return _drop_low_bytes(picture)
    if depth == 16:
        planes = _split_bytes(picture, content)
        wanted = [sample >> 8 for sample in samples] + [sample & 255 for sample in samples]
    else:
        planes = map(picture.getchannel, picture.getbands())
        wanted = [sample * _OPAQUE // (2**depth - 1) for sample in samples]
    # one plane after the other: the largest pictures have 64 MiB in each
    differences = (
        plane.point([_OPAQUE * (level != sample) for level in range(256)])
        for plane, sample in zip(planes, wanted, strict=True)
    )
    alpha = reduce(ImageChops.lighter, differences)
    picture = _drop_low_bytes(picture)
    picture.putalpha(alpha)
    return picture


def _drop_low_bytes(picture: Picture.Image) -> Picture.Image:
    # converting I;16 would cut off all but the darkest shades
    return picture.point(lambda shade: shade / 256).convert("L") if ";" in picture.mode else picture


def _split_bytes(picture: Picture.Image, content: bytes) -> Iterator[Picture.Image]:
    """Yield the upper bytes of the samples, then the lower ones, as pictures of mode L."""
    if picture.mode == "I;16":
        samples = picture.tobytes()
        for start in (1, 0):
            yield Picture.frombytes("L", picture.size, samples[start::2])
        return
    yield from map(picture.getchannel, "RGB")
    # Pillow keeps the upper bytes only; read as little-endian, the lower ones are the upper
    lower = open_image(content)
    lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]  # type: ignore[attr-defined]
    yield from map(lower.getchannel, "RGB")
