"""The workflows: sessions that exist, few permissions, pinned actions.

Not tested: that GitHub runs them. With the program actionlint on the path, it checks them too.
"""

import ast
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yml"))}
SESSIONS = {
    node.name
    for node in ast.parse((ROOT / "noxfile.py").read_text()).body
    if isinstance(node, ast.FunctionDef)
    and any("nox.session" in ast.unparse(d) for d in node.decorator_list)
}
RELEASE = WORKFLOWS["release.yml"]["jobs"]
MAY_WRITE = {
    "build": set(),
    "test": set(),
    "attest": {"attestations", "id-token"},
    "pypi": {"id-token"},
    "image": {"attestations", "id-token", "packages"},
    "notes": {"contents"},
}
"""What each job of a release may write."""


def read_steps() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{name}: {job}", step)
        for name, workflow in WORKFLOWS.items()
        for job, content in workflow["jobs"].items()
        for step in content["steps"]
    ]


def test_every_session_that_a_workflow_runs_exists() -> None:
    commands = [step["run"] for _, step in read_steps() if "./dev nox" in step.get("run", "")]
    assert len(commands) >= 4
    for command in commands:
        words = command.partition(" -- ")[0].split()
        named = words[words.index("-s") + 1 :] if "-s" in words else []
        assert set(named) <= SESSIONS, command


def test_a_workflow_may_write_only_what_its_jobs_need() -> None:
    assert WORKFLOWS["ci.yml"]["permissions"] == {"contents": "read"}
    assert WORKFLOWS["release.yml"]["permissions"] == {}
    written = {
        name: {scope for scope, access in job["permissions"].items() if access == "write"}
        for name, job in RELEASE.items()
    }
    assert written == MAY_WRITE


def test_every_action_is_pinned_to_a_version() -> None:
    used = [step["uses"] for _, step in read_steps() if "uses" in step]
    assert len(used) > 10
    for action in used:
        assert re.fullmatch(r"[\w/.-]+@(v\d+(\.\d+)*|[0-9a-f]{40})", action)


def test_no_command_contains_an_expression_and_no_checkout_of_a_release_keeps_its_token() -> None:
    for place, step in read_steps():
        # text from outside would become a part of the script
        assert "${{" not in step.get("run", ""), place
        if place.startswith("release") and step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False, place


def test_what_is_published_was_tested_and_was_built_once() -> None:
    needs = {name: job.get("needs", []) for name, job in RELEASE.items()}
    for name in ("pypi", "image", "attest"):
        assert "test" in reach(name, needs)
    builders = [
        place
        for place, step in read_steps()
        if place.startswith("release") and re.search(r"nox -s", step.get("run", ""))
    ]
    assert builders == ["release.yml: build"]


def reach(name: str, needs: dict[str, Any]) -> set[str]:
    """Return the jobs that must succeed before a job."""
    direct = [needs[name]] if isinstance(needs[name], str) else needs[name]
    return {*direct, *(other for job in direct for other in reach(job, needs))}


def test_actionlint_accepts_the_workflows() -> None:
    program = shutil.which("actionlint")
    if program is None:
        pytest.skip("actionlint is not installed")
    done = subprocess.run(
        [program, *map(str, FOLDER.glob("*.yml"))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
