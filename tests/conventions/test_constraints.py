"""constraints.txt: one release of each package that a session installs, and no host."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "constraints.txt").read_text().splitlines()
PINNED = {line.partition("==")[0] for line in LINES}


def normalise(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_each_line_pins_one_release_and_names_no_host() -> None:
    assert len(LINES) > 60
    for line in LINES:
        assert re.fullmatch(r"[a-z0-9-]+==[^\s:@/]+( ; [^:@]+)?", line), line


def test_whatever_a_group_or_a_package_asks_for_is_pinned() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    del groups["litellm"]  # contradicts what the others need, and is installed apart
    wanted = [item for group in groups.values() for item in group if isinstance(item, str)]
    for path in ROOT.glob("packages/*/pyproject.toml"):
        project = tomllib.loads(path.read_text())["project"]
        wanted += project["dependencies"]
        for extra in project.get("optional-dependencies", {}).values():
            wanted += extra
    names = {normalise(requirement) for requirement in wanted}
    missing = {name for name in names if not name.startswith("pixy-")} - PINNED
    assert not missing, "./dev nox -s lock pins them"
