"""constraints.txt pins one release of each package that a session installs, and names no host."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "tests" / "clients"
LINES = (ROOT / "constraints.txt").read_text().splitlines()
CLIENT_LINES = (CLIENTS / "requirements.txt").read_text().splitlines()
WEBUI_LINES = (CLIENTS / "open-webui.txt").read_text().splitlines()
PINNED = {line.partition("==")[0] for line in LINES}


def normalise(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_each_line_pins_one_release_and_names_no_host() -> None:
    assert len(LINES) > 60
    for line in LINES + CLIENT_LINES + WEBUI_LINES:
        assert re.fullmatch(r"[a-z0-9-]+==[^\s:@/]+( ; [^:@]+)?", line), line


def test_every_requirement_of_a_group_or_package_is_pinned() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    del groups["litellm"]  # conflicts with the others, and is installed separately
    del groups["clients"]  # has a list of its own, see below
    wanted = [item for group in groups.values() for item in group if isinstance(item, str)]
    for path in ROOT.glob("packages/*/pyproject.toml"):
        project = tomllib.loads(path.read_text())["project"]
        wanted += project["dependencies"]
        for extra in project.get("optional-dependencies", {}).values():
            wanted += extra
    names = {normalise(requirement) for requirement in wanted}
    missing = {name for name in names if not name.startswith("pixy-")} - PINNED
    assert not missing, "./dev nox -s lock pins them"


def test_each_client_is_pinned() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    pinned = {line.partition("==")[0] for line in CLIENT_LINES}
    assert {normalise(requirement) for requirement in groups["clients"]} <= pinned
    assert any(line.startswith("open-webui==") for line in WEBUI_LINES)


@pytest.mark.parametrize("folder", [CLIENTS, CLIENTS / "n8n"], ids=lambda folder: folder.name)
def test_each_javascript_client_is_pinned_and_no_lock_file_names_a_host(folder: Path) -> None:
    dependencies = json.loads((folder / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"[0-9.]+", version) for version in dependencies.values())
    lock = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert lock[""]["dependencies"] == dependencies, "npm install --package-lock-only"
    assert [name for name, package in lock.items() if "resolved" in package] == []
