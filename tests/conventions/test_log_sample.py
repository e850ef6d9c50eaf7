"""The sample of the log in docs/operations.md: a real run, every line in the format."""

import re
from pathlib import Path

from log_format import END, LINE, START

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"


def test_every_line_of_the_sample_has_the_format() -> None:
    (sample,) = re.findall(r"^```log\n(.*?)^```$", OPERATIONS.read_text(), re.DOTALL | re.MULTILINE)
    lines = [LINE.fullmatch(line) for line in sample.splitlines()]
    assert all(lines)
    messages = [line["message"] for line in lines if line]
    starts = sum(START.fullmatch(message) is not None for message in messages)
    ends = sum(END.fullmatch(message) is not None for message in messages)
    assert starts == ends > 5
