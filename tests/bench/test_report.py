"""The report of the benchmark: medians, verdicts, table, chart and page."""

from xml.etree import ElementTree

import pytest

from chart import draw_chart
from publication import BEGIN, END, replace_between_marks
from report import judge, make_summary, make_table, take_medians, write_number
from targets import Row, Target

FASTER = Target("ours", "theirs", 4, 6)
LIGHTER = Target("memory", None, 20, at_most=True, unit=" MiB")
ROW = Row("page", "A page", "requests/s", lambda _: {}, (FASTER, LIGHTER), ("ours", "theirs"))


def test_a_median_is_taken_of_each_figure_over_the_rounds_that_have_it() -> None:
    rounds = [{"ours": 3.0, "theirs": 1.0}, {"ours": 1.0}, {"ours": 2.0}]
    assert take_medians(rounds) == {"ours": 2.0, "theirs": 1.0}


@pytest.mark.parametrize(
    ("target", "figures", "word"),
    [
        (FASTER, {"ours": 8.0, "theirs": 2.0}, "met"),
        (FASTER, {"ours": 7.9, "theirs": 2.0}, "**missed**"),
        (FASTER, {"ours": 8.0}, "not measured"),
        (LIGHTER, {"memory": 20.0}, "met"),
        (LIGHTER, {"memory": 20.1}, "**missed**"),
        (LIGHTER, {}, "not measured"),
    ],
)
def test_a_target_is_met_missed_or_not_measured(
    target: Target, figures: dict[str, float], word: str
) -> None:
    assert judge(target, figures).word == word


def test_the_table_has_a_line_for_each_target_and_names_both_figures() -> None:
    table = make_table([ROW], {"page": {"ours": 1234.0, "theirs": 100.0, "memory": 30.25}})
    assert table.splitlines()[2:] == [
        (
            "| `page` | A page | ours: 1,234 requests/s | theirs: 100 requests/s | 12.3× "
            "| ≥ 4.00× | 6.00× | met |"
        ),
        "|  |  | memory: 30.2 |  | 30.2 MiB | ≤ 20.0 MiB |  | **missed** |",
    ]


def test_the_summary_counts_and_names_what_is_not_met() -> None:
    assert make_summary([ROW], {"page": {"ours": 5.0, "memory": 21.0}}) == (
        "0 of 2 targets met (page: not measured, page: missed)"
    )
    assert make_summary([ROW], {"page": {"ours": 5.0, "theirs": 1.0, "memory": 1.0}}) == (
        "2 of 2 targets met"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (99.94, "99.9"), (0.384, "0.38"), (-0.5, "-0.50")]
)
def test_a_number_is_rounded_to_its_significant_digits(value: float, text: str) -> None:
    assert write_number(value) == text


def test_the_chart_draws_a_bar_for_each_figure_that_there_is() -> None:
    image = ElementTree.fromstring(draw_chart([ROW], {"page": {"ours": 2.0, "theirs": 1.0}}))
    bars = image.findall("{*}rect")[1:]
    widths = [float(bar.get("width", "")) for bar in bars]
    assert widths == [max(widths), max(widths) / 2]
    assert [text.text for text in image.findall("{*}text")] == [
        *("A page, requests/s", "ours", "2.00", "theirs", "1.00")
    ]
    alone = ElementTree.fromstring(draw_chart([ROW], {"page": {"ours": 2.0}}))
    assert len(alone.findall("{*}rect")) == 2


def test_a_page_keeps_the_text_outside_the_marks() -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\n\nmore\n"
    once = replace_between_marks(page, "new")
    assert once == f"# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nmore\n"
    assert replace_between_marks(once, "new") == once
    with pytest.raises(ValueError, match="marks"):
        replace_between_marks("# Title\n", "new")
