"""Builds ICC profiles of RGB colour spaces that a file describes by numbers."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]
"""A chromaticity: x and y."""

Primaries = tuple[Point, Point, Point, Point]
"""White, red, green and blue."""

Matrix = Sequence[Sequence[float]]

SRGB_PRIMARIES: Primaries = ((0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06))

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


class Curve(NamedTuple):
    """A transfer curve, 0 to 1: `(a·x + b) ** gamma` from `d` on, `c·x` below."""

    gamma: float
    a: float
    b: float
    c: float
    d: float


def gamma_curve(gamma: float) -> Curve:
    """Return a curve that is only a power."""
    return Curve(gamma, 1, 0, 0, 0)


def build_profile(primaries: Primaries, curve: Curve) -> bytes | None:
    """Return an ICC profile (ICC.1:2022), or None if the primaries span no colour space."""
    try:
        columns = _adapt(primaries)
        light = _tag(b"para", struct.pack(">Hxx", 3), *curve)
        tags = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), light)
        tags[b"wtpt"] = _tag(b"XYZ ", b"", *_D50)
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True):
            tags[name] = _tag(b"XYZ ", b"", *column)
    except (ZeroDivisionError, struct.error):
        return None
    return _join(tags)


def _adapt(primaries: Primaries) -> Matrix:
    """Return red, green and blue in XYZ, adapted to D50 by the Bradford method."""
    white, *colours = ((x / y, 1.0, (1 - x - y) / y) for x, y in primaries)
    shares = _apply(_invert(_transpose(colours)), white)
    seen, wanted = _apply(_BRADFORD, white), _apply(_BRADFORD, _D50)
    scales = [b / a for a, b in zip(seen, wanted, strict=True)]
    back = _invert(_BRADFORD)
    adapted = []
    for colour, share in zip(colours, shares, strict=True):
        cones = _apply(_BRADFORD, [share * value for value in colour])
        adapted.append(_apply(back, [a * b for a, b in zip(cones, scales, strict=True)]))
    return adapted


def _apply(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _transpose(matrix: Matrix) -> Matrix:
    return list(zip(*matrix, strict=True))


def _invert(matrix: Matrix) -> Matrix:
    a, b, c = matrix
    crosses = [_cross(b, c), _cross(c, a), _cross(a, b)]
    determinant = sum(x * y for x, y in zip(a, crosses[0], strict=True))
    return _transpose([[value / determinant for value in row] for row in crosses])


def _cross(a: Sequence[float], b: Sequence[float]) -> list[float]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def _tag(kind: bytes, start: bytes, *numbers: float) -> bytes:
    return kind + bytes(4) + start + _fix(numbers)


def _fix(numbers: Sequence[float]) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def _join(tags: dict[bytes, bytes]) -> bytes:
    offset = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data
    names = b"mntr", b"RGB ", b"XYZ ", b"acsp"
    start = struct.pack(">I4xI4s4s4s12x4s28x", offset + len(body), 0x04000000, *names)
    return (start + _fix(_D50)).ljust(128, b"\0") + table + body
