"""Rows of the benchmark and their targets. This module measures nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from setting import Setting

Figures = Mapping[str, float]

PIXY = "PixyProxy"
BARE = "bare FastAPI"
TEXTBOOK = "textbook"
NGINX = "nginx"
FRONT = "PixyProxy behind nginx"
LITELLM = "LiteLLM"
STORE = "the store itself"
ADDED = f"{PIXY}, what it adds in ms"


@dataclass(frozen=True)
class Target:
    """A ratio of two figures of a row, or a single figure, and its bounds.

    Attributes:
        of: The figure that is judged.
        against: The figure that it is divided by; None for a single figure.
        bound: The minimum, or the maximum if `at_most` is true.
        aim: The desired value; None if it is the bound.
        at_most: True if less is better.
        unit: The unit of the ratio or the single figure.
    """

    of: str
    against: str | None
    bound: float
    aim: float | None = None
    at_most: bool = False
    unit: str = "×"

    def is_met(self, value: float) -> bool:
        """Return whether a ratio or a single figure keeps the bound."""
        return value <= self.bound if self.at_most else value >= self.bound


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: Its name on the command line.
        title: What is measured.
        unit: The unit of its figures.
        measure: Measures every contender once, in turn.
        targets: Its targets.
        bars: The figures that the chart shows; if empty, the chart omits the row.
    """

    name: str
    title: str
    unit: str
    measure: Callable[[Setting], Figures]
    targets: tuple[Target, ...]
    bars: tuple[str, ...] = ()
