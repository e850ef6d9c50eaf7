"""Writes the results of a whole run to docs/: the table between two marks, and the chart."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from chart import draw_chart
from targets import Figures, Row

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "performance.md"
CHART = DOCS / "performance.svg"
BEGIN, END = "<!-- written by nox -s bench -->", "<!-- end -->"


def publish(
    table: str,
    summary: str,
    facts: Sequence[str],
    rows: Sequence[Row],
    medians: Mapping[str, Figures],
) -> None:
    """Write the table into its page, and the chart to its file."""
    listed = "\n".join(f"- {fact}" for fact in facts)
    written = f"{table}\n\n{summary}.\n\n{listed}"
    PAGE.write_text(replace_between_marks(PAGE.read_text(), written))
    CHART.write_text(draw_chart(rows, medians))


def replace_between_marks(page: str, text: str) -> str:
    """Return a page with new text between its two marks.

    Raises:
        ValueError: The page lacks one of them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
