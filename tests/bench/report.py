"""The results of a run: medians, ratios, verdicts, and their table.

This module measures nothing and writes no files.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from targets import Figures, Row, Target

MET, MISSED, UNKNOWN = "met", "**missed**", "not measured"
HEADINGS = ("row", "measured", "figure", "against", "ratio", "bound", "aim", "")


@dataclass(frozen=True)
class Verdict:
    """A target and its measured value.

    Attributes:
        target: The target.
        value: The ratio of the medians, or the median by itself; None if one is missing.
    """

    target: Target
    value: float | None

    @property
    def word(self) -> str:
        """Whether the target is met."""
        if self.value is None:
            return UNKNOWN
        return MET if self.target.is_met(self.value) else MISSED


def take_medians(rounds: Sequence[Figures]) -> dict[str, float]:
    """Return the median of each figure over the rounds."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {
        name: statistics.median(figures[name] for figures in rounds if name in figures)
        for name in names
    }


def judge(target: Target, medians: Figures) -> Verdict:
    """Return the verdict on one target of a row."""
    of = medians.get(target.of)
    if target.against is None or of is None:
        return Verdict(target, of)
    against = medians.get(target.against)
    return Verdict(target, None if not against else of / against)


def make_table(rows: Sequence[Row], medians: Mapping[str, Figures]) -> str:
    """Return the table of all targets, in Markdown.

    Args:
        rows: The rows that were measured.
        medians: Their medians, by the row's name.
    """
    lines = [HEADINGS, ("---",) * len(HEADINGS)]
    for row in rows:
        for number, target in enumerate(row.targets):
            beginning = ("", "") if number else (f"`{row.name}`", row.title)
            lines.append((*beginning, *_describe(row, target, medians[row.name])))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def make_summary(rows: Sequence[Row], medians: Mapping[str, Figures]) -> str:
    """Return one line with the number of targets that are met, and the rows that miss one."""
    words = [
        (row.name, judge(target, medians[row.name]).word) for row in rows for target in row.targets
    ]
    met = sum(word == MET for _, word in words)
    rest = [f"{name}: {word.strip('*')}" for name, word in words if word != MET]
    return f"{met} of {len(words)} targets met" + (f" ({', '.join(rest)})" if rest else "")


def _describe(row: Row, target: Target, medians: Figures) -> tuple[str, ...]:
    verdict = judge(target, medians)
    bound = f"{'≤' if target.at_most else '≥'} {write_number(target.bound)}{target.unit}"
    aim = "" if target.aim is None else f"{write_number(target.aim)}{target.unit}"
    ratio = "" if verdict.value is None else f"{write_number(verdict.value)}{target.unit}"
    unit = "" if target.against is None else f" {row.unit}"
    return (
        _write_figure(target.of, medians, unit),
        "" if target.against is None else _write_figure(target.against, medians, unit),
        ratio,
        bound,
        aim,
        verdict.word,
    )


def _write_figure(name: str, medians: Figures, unit: str) -> str:
    return f"{name}: {write_number(medians[name])}{unit}" if name in medians else f"{name}: none"


def write_number(value: float) -> str:
    """Return a number with its significant digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
