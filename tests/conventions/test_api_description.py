"""docs/api.md: each case has a test, and each error code is documented."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/api.md").read_text()
CASE = re.compile(r"^- \*\*(C\d{3,4})\*\*", re.MULTILINE)
DESCRIBED = CASE.findall(PAGE)
CODES = re.findall(
    r'(?:\d{3}(?:, |: )|^    code = )"([a-z_]+)"',
    (ROOT / "packages/pixy-web/src/pixy_web/http/error_handler.py").read_text()
    + (ROOT / "packages/pixy-core/src/pixy_core/exceptions.py").read_text(),
    re.MULTILINE,
)
TESTED = {
    case
    for path in (ROOT / "packages/pixy-web/tests").rglob("test_*.py")
    for case in re.findall(r'@pytest\.mark\.case\("(C\d{3,4})"\)', path.read_text())
}


def test_each_case_is_numbered_once_and_in_the_order_of_its_section() -> None:
    assert DESCRIBED
    assert len(set(DESCRIBED)) == len(DESCRIBED)
    for section in PAGE.split("\n## "):
        numbers = CASE.findall(section)
        assert numbers == sorted(numbers, key=lambda case: int(case[1:]))


def test_each_case_has_a_test_and_each_test_a_case() -> None:
    assert set(DESCRIBED) == TESTED


def test_each_code_of_an_error_is_in_a_table() -> None:
    assert len(CODES) > 30
    rows = "".join(re.findall(r"^\| .*$", PAGE, re.MULTILINE))
    assert [code for code in CODES if f"`{code}`" not in rows] == []
