"""The pytest plugin that runs the Python examples of every Markdown file among the tested paths.

Each ```python block is one test: a script that runs in an empty folder, with the Python of the
tests and with warnings as errors. A ```text block after it is its expected output.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\s*^```text\n(?P<output>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
_TIMEOUT = 60
"""Seconds after which an example is considered hanging."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect each Markdown file."""
    if file_path.suffix != ".md":
        return None
    return MarkdownFile.from_parent(parent, path=file_path)


class MarkdownFile(pytest.File):
    """A Markdown file, whose examples are its tests."""

    def collect(self) -> Iterator[pytest.Item]:
        """Find the examples, named after the line on which they begin."""
        text = self.path.read_text(encoding="utf-8")
        for block in _BLOCK.finditer(text):
            line = text.count("\n", 0, block.start("code")) + 1
            yield MarkdownExample.from_parent(
                self, name=f"line_{line}", code=block["code"], output=block["output"]
            )


class MarkdownExample(pytest.Item):
    """One example, and its expected output if the file has it."""

    def __init__(self, *, code: str, output: str | None, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type] # pytest's own arguments
        self.code = code
        self.output = output

    def runtest(self) -> None:
        """Run the example, and compare its output."""
        with TemporaryDirectory() as folder:
            command = [sys.executable, "-I", "-W", "error", "-c", self.code]
            result = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
        if result.returncode:
            pytest.fail(result.stderr, pytrace=False)
        if self.output is not None and result.stdout != self.output:
            pytest.fail(f"It prints\n{result.stdout}and not\n{self.output}", pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Name the example in reports."""
        return self.path, 0, f"{self.path.name} {self.name}"
