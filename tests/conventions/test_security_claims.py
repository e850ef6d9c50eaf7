"""docs/security.md: each claim names tests, and the tests exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
NAMED = set(re.findall(r"`(test_\w+)`", PAGE))
FILES = [*ROOT.glob("packages/*/tests/**/test_*.py"), *ROOT.glob("tests/**/test_*.py")]
WRITTEN = {
    node.name
    for path in FILES
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.FunctionDef)
}


def test_each_test_that_a_claim_names_is_there() -> None:
    assert len(NAMED) > 20
    assert NAMED <= WRITTEN


def test_each_claim_names_a_test() -> None:
    rows = re.findall(r"^\| (\d+\.\d+\.\d+)(.*)$", PAGE, re.MULTILINE)
    assert len(rows) > 15
    assert [number for number, row in rows if "`test_" not in row] == []
