"""docs/api.md against the tests: each numbered case has a test, and each test's case is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DESCRIBED = re.findall(r"^- \*\*(C\d{3})\*\*", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
TESTED = {
    case
    for path in (ROOT / "packages/pixy-web/tests").rglob("test_*.py")
    for case in re.findall(r'@pytest\.mark\.case\("(C\d{3})"\)', path.read_text())
}


def test_each_case_is_numbered_once_and_in_order() -> None:
    assert DESCRIBED
    assert sorted(set(DESCRIBED)) == DESCRIBED


def test_each_case_has_a_test_and_each_test_a_case() -> None:
    assert set(DESCRIBED) == TESTED
