"""The chart of the benchmark, as SVG: a group of bars for each row that has bars."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from report import write_number
from targets import PIXY, Figures, Row

WIDTH, LABEL, BAR = 760, 130, 470
GROUP, LINE, THICKNESS, MARGIN = 30, 22, 14, 16
OURS, OTHERS, TEXT, FAINT = "#1f6f54", "#b9c2bd", "#1b1f1d", "#5b6661"
FONT = "font-family='system-ui, sans-serif'"


def draw_chart(rows: Sequence[Row], medians: Mapping[str, Figures]) -> str:
    """Return the chart of the rows with bars; the longest bar of each group fills the width.

    Args:
        rows: The rows that were measured.
        medians: Their medians, by the row's name.
    """
    parts, top = [], MARGIN
    for row in rows:
        if not row.bars:
            continue
        figures = {name: medians[row.name][name] for name in row.bars if name in medians[row.name]}
        parts.append(_draw_group(row, figures, top))
        top += GROUP + LINE * len(figures)
    height = top + MARGIN // 2
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' "
        f"width='{WIDTH}' height='{height}' role='img' "
        "aria-label='PixyProxy compared with others'>\n"
        f"<rect width='{WIDTH}' height='{height}' rx='8' fill='#ffffff'/>\n"
        + "".join(parts)
        + "</svg>\n"
    )


def _draw_group(row: Row, figures: Figures, top: int) -> str:
    is_less_better = row.targets[0].at_most
    title = f"{row.title}, {row.unit}" + (" (less is better)" if is_less_better else "")
    longest = max(figures.values(), default=1.0)
    lines = [_text(MARGIN, top + 14, title, TEXT, "font-weight='600'")]
    for number, (name, value) in enumerate(figures.items()):
        y = top + GROUP - 6 + LINE * number
        width = max(1.0, BAR * value / longest)
        fill = OURS if name == PIXY else OTHERS
        lines += [
            _text(LABEL, y + 12, name, FAINT, "text-anchor='end'"),
            (
                f"<rect x='{LABEL + 8}' y='{y}' width='{width:.1f}' height='{THICKNESS}' "
                f"rx='2' fill='{fill}'/>\n"
            ),
            _text(LABEL + 16 + round(width), y + 12, write_number(value), TEXT),
        ]
    return "".join(lines)


def _text(x: int, y: int, text: str, fill: str, more: str = "") -> str:
    return (
        f"<text x='{x}' y='{y}' {FONT} font-size='13' fill='{fill}' {more}>{escape(text)}</text>\n"
    )
