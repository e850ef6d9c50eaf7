"""docs/reliability.md: each row has a test, and each test has a row."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/reliability.md").read_text()
DESCRIBED = re.findall(r"^\| (F\d{2,3}) \|", TABLE, re.MULTILINE)
TESTED = {
    row
    for folder in ("faults", "fleet", "metrics")
    for path in (ROOT / "tests" / folder).glob("test_*.py")
    for row in re.findall(r'@pytest\.mark\.fault\("(F\d{2,3})"\)', path.read_text())
}


def test_each_row_is_numbered_once_and_in_order() -> None:
    assert DESCRIBED
    assert sorted(set(DESCRIBED), key=lambda row: int(row[1:])) == DESCRIBED


def test_each_row_has_a_test_and_each_test_a_row() -> None:
    assert set(DESCRIBED) == TESTED
