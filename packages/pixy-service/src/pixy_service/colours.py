"""Colours as browsers show them: which colour space a file's samples are in, and sRGB of them.

Checked with Chromium 156, which for PNG prefers cICP to iCCP, iCCP to sRGB and sRGB to gAMA.
"""

import io
import struct
import zlib

from PIL import Image as Picture
from PIL import ImageCms

from pixy_service.icc_profiles import SRGB_PRIMARIES, Curve, build_profile, gamma_curve
from pixy_service.png_chunks import read_chunks

_MAX_PROFILE = 8 * 1024 * 1024
"""Bytes, unpacked."""

_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}

# ITU-T H.273, tables 2 and 3: white, red, green and blue as x and y, and curves
_D65 = (0.3127, 0.329)
_PRIMARIES = {
    1: SRGB_PRIMARIES,
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: (_D65, (0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: (_D65, (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: (_D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_CURVES = {
    **dict.fromkeys((1, 6, 11, 14, 15), gamma_curve(2.4)),  # video, shown as ITU-R BT.1886 says
    4: gamma_curve(2.2),
    5: gamma_curve(2.8),
    8: gamma_curve(1),
    13: _SRGB_CURVE,
}


def find_profile(picture: Picture.Image, content: bytes) -> bytes | None:
    """Return the ICC profile of a file's colours; None if they are sRGB as far as it tells.

    Args:
        picture: The opened file.
        content: Its bytes.
    """
    if picture.format == "PNG":
        return _find_png_profile(read_chunks(content))
    profile: bytes | None = picture.info.get("icc_profile")
    return profile


def convert_to_srgb(picture: Picture.Image, profile: bytes | None) -> Picture.Image:
    """Return a picture in sRGB, of mode RGB or RGBA.

    Args:
        picture: Of mode L, LA, RGB, RGBA or CMYK.
        profile: The ICC profile of its colours; one that is broken or for another kind of
            picture is ignored, as browsers do.
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
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _find_png_profile(chunks: dict[bytes, bytes]) -> bytes | None:
    coded = chunks.get(b"cICP", b"")
    if len(coded) == 4 and coded[2:] == b"\0\1":
        primaries, curve = _PRIMARIES.get(coded[0]), _CURVES.get(coded[1])
        if primaries and curve:
            return build_profile(primaries, curve)
    profile = _unpack_profile(chunks.get(b"iCCP", b""))
    if profile or b"sRGB" in chunks:
        return profile
    return _build_gamma_profile(chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))


def _unpack_profile(data: bytes) -> bytes | None:
    _, _, packed = data.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], _MAX_PROFILE) or None
    except zlib.error:
        return None


def _build_gamma_profile(gamma: bytes, places: bytes) -> bytes | None:
    exponent = int.from_bytes(gamma) / 100_000 if len(gamma) == 4 else 0
    if not exponent:
        return None
    curve = gamma_curve(1 / exponent)
    if len(places) == 32:
        x = [number / 100_000 for number in struct.unpack(">8I", places)]
        primaries = (x[0], x[1]), (x[2], x[3]), (x[4], x[5]), (x[6], x[7])
        profile = build_profile(primaries, curve)
        if profile is not None:
            return profile
    # the usual value without primaries says sRGB, which is not quite a power
    return None if abs(exponent * 2.2 - 1) < 0.05 else build_profile(SRGB_PRIMARIES, curve)
