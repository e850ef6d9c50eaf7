"""The table of metrics is the one in the documentation."""

from pathlib import Path

from pixy_web.metrics.table import LABELS, METRICS

PAGE = (Path(__file__).parents[4] / "docs/metrics.md").read_text()


def _rows(heading: str) -> list[str]:
    """Return the rows of the table that begins with a heading, without that and the rule."""
    lines = PAGE.split(heading, 1)[1].splitlines()[2:]
    return lines[: lines.index("")] if "" in lines else lines


def test_the_documentation_has_every_metric_and_no_other() -> None:
    rows = []
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |")
    assert _rows("| metric | type |") == [row.replace("|  |", "| |") for row in rows]


def test_the_documentation_has_every_label_and_no_other() -> None:
    rows = [f"| `{label}` | {meaning} |" for label, meaning in LABELS.items()]
    assert _rows("| label | values |") == rows
    assert {label for metric in METRICS for label in metric.labels} == set(LABELS)


def test_no_metric_is_there_twice() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_only_histograms_have_buckets_and_they_rise() -> None:
    for metric in METRICS:
        assert bool(metric.buckets) == (metric.kind == "histogram")
        assert list(metric.buckets) == sorted(set(metric.buckets))
