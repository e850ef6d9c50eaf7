"""Rules for the Python sources: length of functions, names, reasons, imports.

The rules that ruff checks are in pyproject.toml.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "noxfile.py", *sorted((ROOT / "packages").glob("*/src/**/*.py"))]
TESTS = sorted([*ROOT.glob("packages/*/tests/**/*.py"), *ROOT.glob("tests/**/*.py")])
Function = ast.FunctionDef | ast.AsyncFunctionDef
Node = TypeVar("Node", bound=ast.AST)
VAGUE_NAMES = {"utils", "helpers", "common", "base", "manager"}


def find_nodes(kind: type[Node], modules: list[Path]) -> Iterator[tuple[str, Node]]:
    """Find each node of a kind, with its file and line."""
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, kind):
                yield f"{module.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", node


def count_lines(function: Function) -> int:
    """Count the lines of a function without its docstring."""
    first, end = function.body[0], function.end_lineno or 0
    documented = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return end - function.lineno + 1 - docstring


def test_no_function_is_longer_than_30_lines() -> None:
    functions = find_nodes(ast.FunctionDef | ast.AsyncFunctionDef, SOURCES)
    lengths = {place: count_lines(function) for place, function in functions}
    assert len(lengths) > 100
    assert {place: lines for place, lines in lengths.items() if lines > 30} == {}


def test_a_module_has_a_specific_name() -> None:
    assert [m for m in SOURCES + TESTS if m.stem in VAGUE_NAMES] == []


def test_a_test_is_only_skipped_for_a_reason() -> None:
    for place, call in find_nodes(ast.Call, TESTS):
        match ast.unparse(call.func):
            case "pytest.mark.skip" | "pytest.mark.skipif" | "pytest.mark.xfail":
                assert any(keyword.arg == "reason" for keyword in call.keywords), place
            case "pytest.skip" | "pytest.xfail":
                assert call.args or call.keywords, place
    marks = {"pytest.mark.skip", "pytest.mark.xfail"}
    for place, function in find_nodes(ast.FunctionDef | ast.AsyncFunctionDef, TESTS):
        assert not marks & set(map(ast.unparse, function.decorator_list)), place


def test_tests_that_cross_packages_import_none_of_them() -> None:
    kinds = {"e2e", "browser", "clients", "demo", "faults"}
    # the clone may lie in a folder with such a name
    crossing = [m for m in TESTS if kinds & set(m.relative_to(ROOT).parts)]
    assert len(crossing) > 3
    for place, node in find_nodes(ast.Import | ast.ImportFrom, crossing):
        module = getattr(node, "module", None) or node.names[0].name
        assert not module.startswith("pixy_"), place


def test_a_migration_imports_nothing_that_changes() -> None:
    migrations = [m for m in SOURCES if "versions" in m.relative_to(ROOT).parts]
    assert len(migrations) >= 5
    for place, node in find_nodes(ast.Import | ast.ImportFrom, migrations):
        module = getattr(node, "module", None) or node.names[0].name
        assert not module.startswith("pixy_"), place


def test_a_nox_session_says_in_one_line_why_it_is_there() -> None:
    decorated = [
        function
        for _, function in find_nodes(ast.FunctionDef, [ROOT / "noxfile.py"])
        if any("nox.session" in ast.unparse(mark) for mark in function.decorator_list)
    ]
    assert len(decorated) > 10
    docstrings = [ast.get_docstring(function) or "" for function in decorated]
    assert [text for text in docstrings if not text.endswith(".") or "\n" in text] == []
