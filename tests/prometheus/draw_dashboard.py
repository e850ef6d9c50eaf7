"""Draws the picture of the dashboard in docs/alerts.md, from the data of a real run.

`./dev nox -s dashboard` runs PixyProxy with a stand-in provider under a mixed load, lets
Prometheus read it, and draws the panels of deploy/grafana/pixy.json with what their expressions
return.
"""

import argparse
import itertools
import json
import math
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.dates
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from mixed_load import record_run

from prometheus_server import PrometheusServer

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "pixy.json"
PICTURE = ROOT / "docs" / "images" / "dashboard.webp"

PAGE, PANEL, TEXT, FAINT, GRID = "#111217", "#181b1f", "#ccccdc", "#8e8e99", "#2c3036"
LINES = (
    *("#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9"),
    *("#8ab8ff", "#fade2a", "#96d98d", "#ffa6b0", "#ca95e5", "#56a64b"),
)
COLOURS = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"}
CELL, HEIGHT, GAP, HEAD, LEGEND = 16.0 / 24, 0.36, 0.06, 0.6, 0.6
"""Inches: width and height of a cell of the grid, space between panels, height of the dashboard's
title and of a panel's legend."""

Panel = dict[str, Any]
Series = list[dict[str, Any]]
Drawn = Sequence[tuple[str, list[Any]]]


class Data:
    """The data of a run, as the dashboard asks for it.

    Args:
        prometheus: It has read the run.
        start: When the run began, as Unix time.
        end: When it ended.
    """

    def __init__(self, prometheus: PrometheusServer, start: float, end: float) -> None:
        self.start = start
        self.end = end
        self._prometheus = prometheus
        self._step = max(2, round((end - start) / 300))

    def read(self, expression: str) -> Series:
        """Return the series of an expression of the dashboard."""
        # Grafana's rule: four times the interval of the scrapes
        filled = expression.replace("$__rate_interval", "20s").replace("$instance", ".*")
        return self._prometheus.query_range(filled, self.start, self.end, self._step)


def write_value(value: float, unit: str, decimals: int | None) -> str:
    """Return a value in its unit, briefly, as Grafana does."""
    if unit == "percentunit":
        return f"{value * 100:.{1 if decimals is None else decimals}f}%"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"
    if unit == "bytes":
        power = min(4, int(math.log(max(value, 1), 1024)))
        return f"{value / 1024**power:.3g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
    if unit == "d":
        return f"{value:.0f} days"
    if unit == "short" and value >= 1000:
        return f"{value / 1000:.3g} K"
    return f"{value:.3g}" + (" req/s" if unit == "reqps" else "")


def write_legend(form: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        form = form.replace("{{" + name + "}}", value)
    return form


def draw_stat(figure: Figure, panel: Panel, data: Data) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    series = data.read(panel["targets"][0]["expr"])
    points = [float(value) for s in series for _, value in s["values"] if value != "NaN"]
    text, colour = "No data", FAINT
    if points:
        steps = defaults["thresholds"]["steps"]
        reached = [s for s in steps if s["value"] is None or points[-1] >= s["value"]]
        text = write_value(points[-1], defaults["unit"], defaults.get("decimals"))
        for mapping in defaults["mappings"]:
            text = mapping["options"].get(text, {"text": text})["text"]
        colour = COLOURS[reached[-1]["color"]]
    x, y, width, height = find_place(figure, panel)
    middle = (x + width / 2, y + height * 0.36)
    figure.text(*middle, text, color=colour, size=20, ha="center", va="center")


def draw_series(figure: Figure, panel: Panel, data: Data) -> None:
    x, y, width, height = find_place(figure, panel)
    total = figure.get_figheight()
    left, bottom, top = 0.62 / figure.get_figwidth(), LEGEND / total, 0.36 / total
    axes = figure.add_axes((x + left, y + bottom, width - left - 0.01, height - bottom - top))
    defaults = panel["fieldConfig"]["defaults"]
    style(axes, defaults)
    drawn = [
        (write_legend(target["legendFormat"], series["metric"]), series["values"])
        for target in panel["targets"]
        for series in data.read(target["expr"])
    ]
    colours = choose_colours(panel, [name for name, _ in drawn])
    if defaults["custom"]["stacking"]["mode"] == "normal":
        draw_areas(axes, drawn, colours)
    else:
        is_stepped = defaults["custom"]["lineInterpolation"] == "stepAfter"
        draw_lines(axes, drawn, colours, drawstyle="steps-post" if is_stepped else "default")
    axes.set_xlim(to_date(data.start), to_date(data.end))
    if "min" in defaults:
        axes.set_ylim(defaults["min"], defaults.get("max", max(axes.get_ylim()[1], 1e-3) * 1.05))
    columns = 5 if width > 0.4 else 3
    legend = {"frameon": False, "fontsize": 7, "labelcolor": TEXT, "handlelength": 1}
    axes.legend(loc="upper left", bbox_to_anchor=(-0.06, -0.1), ncols=columns, **legend)


def to_date(seconds: float) -> float:
    return float(mpl.dates.date2num(datetime.fromtimestamp(seconds, UTC)))


def style(axes: Axes, defaults: dict[str, Any]) -> None:
    axes.set_facecolor(PANEL)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=7, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.xaxis.set_major_formatter(mpl.dates.DateFormatter("%H:%M"))
    axes.xaxis.set_major_locator(mpl.dates.AutoDateLocator(maxticks=7))
    if defaults["custom"]["scaleDistribution"]["type"] == "log":
        axes.set_yscale("log")
        axes.minorticks_off()
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=defaults.get("decimals") == 0))
    unit, decimals = defaults["unit"], defaults.get("decimals")
    written = FuncFormatter(lambda value, _: write_value(value, unit, decimals))
    axes.yaxis.set_major_formatter(written)


def choose_colours(panel: Panel, names: list[str]) -> list[str]:
    """Return a colour for each series: that of an override by name, else the next one."""
    fixed = {
        override["matcher"]["options"]: COLOURS[override["properties"][0]["value"]["fixedColor"]]
        for override in panel["fieldConfig"]["overrides"]
    }
    others = itertools.cycle(colour for colour in LINES if colour not in fixed.values())
    return [fixed.get(name) or next(others) for name in names]


def draw_lines(axes: Axes, drawn: Drawn, colours: list[str], drawstyle: Any) -> None:
    for (name, values), colour in zip(drawn, colours, strict=True):
        times = [to_date(moment) for moment, _ in values]
        numbers = [float(value) for _, value in values]
        axes.plot(times, numbers, label=name, color=colour, linewidth=1.2, drawstyle=drawstyle)


def draw_areas(axes: Axes, drawn: Drawn, colours: list[str]) -> None:
    """Stack the series, at the times of all of them."""
    times = sorted({moment for _, values in drawn for moment, _ in values})
    heights = []
    for _, values in drawn:
        known = {moment: float(value) for moment, value in values if value != "NaN"}
        heights.append([known.get(moment, 0.0) for moment in times])
    dates, names = [to_date(moment) for moment in times], [name for name, _ in drawn]
    axes.stackplot(dates, heights, labels=names, colors=colours, alpha=0.75, linewidth=0)


def find_place(figure: Figure, panel: Panel) -> tuple[float, float, float, float]:
    """Return left, bottom, width and height of a panel, as fractions of the figure."""
    width, height = figure.get_figwidth(), figure.get_figheight()
    place = panel["gridPos"]
    left, top = place["x"] * CELL + GAP, place["y"] * HEIGHT + HEAD + GAP
    inner = (place["w"] * CELL - 2 * GAP, place["h"] * HEIGHT - 2 * GAP)
    return left / width, 1 - (top + inner[1]) / height, inner[0] / width, inner[1] / height


def draw(dashboard: dict[str, Any], data: Data) -> Figure:
    """Return the dashboard with the data of a run."""
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    figure = plt.figure(figsize=(24 * CELL, rows * HEIGHT + HEAD + GAP), facecolor=PAGE)
    figure.text(0.008, 1 - 0.32 / figure.get_figheight(), dashboard["title"], color=TEXT, size=14)
    for panel in dashboard["panels"]:
        x, y, width, height = find_place(figure, panel)
        if panel["type"] == "row":
            figure.text(x, y, panel["title"], color=TEXT, size=11, weight="bold")
            continue
        frame = Rectangle((x, y), width, height, facecolor=PANEL, edgecolor=GRID, zorder=-1)
        figure.add_artist(frame)
        top = 0.24 / figure.get_figheight()
        figure.text(x + 0.006, y + height - top, panel["title"], color=TEXT, size=9)
        {"stat": draw_stat, "timeseries": draw_series}[panel["type"]](figure, panel, data)
    return figure


def main() -> None:
    """Record a run and draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    minutes = parser.parse_args().minutes
    dashboard = json.loads(DASHBOARD.read_text())
    with tempfile.TemporaryDirectory() as folder, record_run(Path(folder), minutes * 60) as run:
        figure = draw(dashboard, Data(*run))
    figure.savefig(PICTURE, dpi=100, pil_kwargs={"quality": 82, "method": 6})
    print(f"{PICTURE.name}: {PICTURE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
