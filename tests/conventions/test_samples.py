"""Every sample in the documentation has a test that runs or compares it.

`console` and `python` blocks, with the `text` that a script prints, are run by tests/docs and, in
the READMEs of packages, by the plugin `markdown_examples`. This table has all others.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/README.md")]
)
RUN_BY = {
    ("docs/deploy.md", "sh"): "tests/install/test_install.py",
    ("docs/deploy.md", "sql"): "packages/pixy-data/tests/database/test_privileges.py",
    ("docs/deploy.md", "dotenv"): "tests/e2e/test_deploying.py",
    ("docs/deploy.md", "ini"): "tests/e2e/test_deploying.py",
    ("docs/deploy.md", "crontab"): "tests/e2e/test_deploying.py",
    ("docs/deploy.md", "console"): "tests/e2e/test_deploying.py",
    ("docs/metrics.md", "sh"): "tests/metrics/test_documentation.py",
    ("docs/metrics.md", "yaml"): "tests/metrics/test_documentation.py",
    ("docs/operations.md", "log"): "tests/docs/test_log_sample.py",
    ("docs/operations.md", "json"): "tests/docs/test_log_sample.py",
    ("docs/proxy.md", "nginx"): "tests/security/test_reverse_proxy.py",
    ("docs/proxy.md", "sh"): "tests/security/test_reverse_proxy.py",
    **{
        ("docs/several-machines.md", language): "tests/fleet/test_several_machines.py"
        for language in ("dotenv", "json", "nginx", "sh", "systemd", "yaml")
    },
    ("docs/tracing.md", "dotenv"): "tests/tracing/test_page.py",
    ("docs/tracing.md", "text"): "tests/tracing/test_page.py",
    ("README.md", "sh"): "tests/install/test_install.py",
}
DRAWINGS = {
    ("docs/architecture.md", ""),
    ("docs/performance.md", "text"),
    ("docs/several-machines.md", "text"),
}
"""Layers, query plans (the output of the commands above them), and machines."""

RUN_PAGES = (ROOT / "tests/docs/test_pages.py").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DEVELOPERS = re.compile(
    r"\./dev (nox( -l| -t slow)?|bash|pixy demo|pytest (?P<tests>\S+)( .*)?)"
    r"|\./dev nox -s '?(?P<session>\w+)\S*( .*)?"
    r"|PYTHONPATH=tests/support python (?P<script>\S+)"
)
SESSIONS = {
    node.name
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body
    if isinstance(node, ast.FunctionDef)
}


def read_blocks() -> list[tuple[str, str, str]]:
    """Return each block with its page and its language."""
    return [
        (str(page.relative_to(ROOT)), block[1], block[2])
        for page in PAGES
        for block in BLOCK.finditer(page.read_text())
    ]


def is_for_developers(block: str) -> bool:
    """Return whether a block calls only what this repository has."""
    for line in block.splitlines():
        match = DEVELOPERS.fullmatch(line.partition("#")[0].strip())
        if not match or (match["session"] and match["session"] not in SESSIONS):
            return False
        if not all((ROOT / path).exists() for path in match.group("tests", "script") if path):
            return False
    return True


def is_run(page: str, language: str, block: str) -> bool:
    if (page, language) in RUN_BY:
        return (ROOT / RUN_BY[page, language]).is_file()
    if language in ("python", "text") and page.startswith("packages/"):
        return True
    if language in ("console", "python", "text") and page in RUN_PAGES:
        return True
    return (page, language) in DRAWINGS or (language == "sh" and is_for_developers(block))


def test_every_sample_has_a_test() -> None:
    blocks = read_blocks()
    assert len(blocks) > 50
    assert [
        (page, language, text)
        for page, language, text in blocks
        if not is_run(page, language, text)
    ] == []


def test_every_row_of_the_table_is_needed() -> None:
    there = {(page, language) for page, language, _ in read_blocks()}
    assert set(RUN_BY) | DRAWINGS <= there
