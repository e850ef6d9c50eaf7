"""docs/reliability.md against the tests: each row has a test, and each test's row is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DESCRIBED = re.findall(r"^\| (F\d\d) \|", (ROOT / "docs/reliability.md").read_text(), re.MULTILINE)
TESTED = {
    row
    for path in (ROOT / "tests/faults").glob("test_*.py")
    for row in re.findall(r'@pytest\.mark\.fault\("(F\d\d)"\)', path.read_text())
}


def test_each_row_is_numbered_once_and_in_order() -> None:
    assert DESCRIBED
    assert sorted(set(DESCRIBED)) == DESCRIBED


def test_each_row_has_a_test_and_each_test_a_row() -> None:
    assert set(DESCRIBED) == TESTED
