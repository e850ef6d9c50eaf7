"""The installation commands of docs/deploy.md and README.md, run as documented."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def read_lines(page: str) -> list[str]:
    """Return the commands of a page that create an environment and install into it."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if "/opt/pixy" in line]


@pytest.mark.parametrize("page", ["README.md", "docs/deploy.md"])
def test_the_documented_lines_install_the_command(page: str, tmp_path: Path) -> None:
    lines = read_lines(page)
    assert len(lines) > 1
    for line in lines:
        command = line.replace("/opt/pixy", str(tmp_path / "pixy"))
        subprocess.run(["bash", "-ec", command], cwd=ROOT, check=True)
    answer = subprocess.run(
        [tmp_path / "pixy/bin/pixy", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith("pixy, version ")


def test_the_documented_lines_build_the_wheels() -> None:
    for page in ("README.md", "docs/deploy.md"):
        assert "./dev nox -s build\n" in (ROOT / page).read_text()
