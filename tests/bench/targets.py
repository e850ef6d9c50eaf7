"""What a row of the benchmark is, and when its targets are met. Nothing is measured here."""

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


@dataclass(frozen=True)
class Target:
    """A ratio of two figures of a row, or one figure by itself, and its bounds.

    Attributes:
        of: The figure that is judged.
        against: The figure that it is divided by; None for a figure by itself.
        bound: What it has to reach, or not to exceed where `at_most` is true.
        aim: What is hoped for; None if that is the same.
        at_most: Whether less is better.
        unit: What a ratio, or a figure by itself, is counted in.
    """

    of: str
    against: str | None
    bound: float
    aim: float | None = None
    at_most: bool = False
    unit: str = "×"

    def is_met(self, value: float) -> bool:
        """Return whether a ratio, or a figure by itself, keeps the bound."""
        return value <= self.bound if self.at_most else value >= self.bound


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: Its name on the command line.
        title: What is measured.
        unit: What its figures are counted in.
        measure: Measures every contender once, in turn.
        targets: What is judged.
        bars: The figures that the chart shows; none leaves the row out.
    """

    name: str
    title: str
    unit: str
    measure: Callable[[Setting], Figures]
    targets: tuple[Target, ...]
    bars: tuple[str, ...] = ()
