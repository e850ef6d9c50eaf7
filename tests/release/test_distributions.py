"""What is published: one version everywhere, complete metadata, and the right files."""

import datetime
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted((ROOT / "packages").iterdir())
PROJECTS = [tomllib.loads((p / "pyproject.toml").read_text())["project"] for p in PACKAGES]
VERSION = PROJECTS[0]["version"]
WHEELS = sorted((ROOT / "dist").glob("*.whl"))
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
HEADING = re.compile(r"^## (\S+) \((.+)\)$", re.MULTILINE)


def read_metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_there_is_one_wheel_and_one_sdist_of_each_package_with_this_version() -> None:
    names = {package.name.replace("-", "_") for package in PACKAGES}
    endings = ("-py3-none-any.whl", ".tar.gz")
    expected = {f"{name}-{VERSION}{ending}" for name in names for ending in endings}
    assert {path.name for path in (ROOT / "dist").iterdir() if path.name[0] != "."} == expected
    assert {project["version"] for project in PROJECTS} == {VERSION}


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda wheel: wheel.name)
def test_the_metadata_says_whose_it_is_where_from_and_for_which_pythons(wheel: Path) -> None:
    metadata = read_metadata(wheel)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == f">={PYTHONS[0]}"
    assert metadata["Summary"]
    assert metadata["Keywords"]
    urls = {url.partition(",")[0] for url in metadata.get_all("Project-URL", [])}
    assert urls == {"Source", "Documentation", "Changelog", "Issues"}
    classifiers = metadata.get_all("Classifier", [])
    assert "Typing :: Typed" in classifiers
    prefix = "Programming Language :: Python :: "
    assert [c.removeprefix(prefix) for c in classifiers if c.startswith(f"{prefix}3.")] == PYTHONS
    assert ("Framework :: FastAPI" in classifiers) == (metadata["Name"] == "pixy-web")


@pytest.mark.parametrize("wheel", WHEELS, ids=lambda wheel: wheel.name)
def test_a_wheel_has_its_package_types_and_licence_and_nothing_else(wheel: Path) -> None:
    name = wheel.name.partition("-")[0]
    with zipfile.ZipFile(wheel) as archive:
        files = archive.namelist()
    assert f"{name}/py.typed" in files
    assert f"{name}-{VERSION}.dist-info/licenses/LICENSE" in files
    assert {path.partition("/")[0] for path in files} == {name, f"{name}-{VERSION}.dist-info"}
    assert [path for path in files if "test" in path or path.endswith((".pyc", ".env"))] == []


def test_the_index_shows_the_descriptions() -> None:
    files = [path for path in (ROOT / "dist").iterdir() if path.name[0] != "."]
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)


def test_the_changelog_begins_with_this_version() -> None:
    (first, when), *_ = HEADING.findall((ROOT / "CHANGELOG.md").read_text())
    assert first == VERSION
    assert when == "not released" or datetime.date.fromisoformat(when)


def test_a_tag_names_the_version_and_the_changelog_its_date(tag: str) -> None:
    assert tag == f"v{VERSION}"
    (_, when), *_ = HEADING.findall((ROOT / "CHANGELOG.md").read_text())
    assert datetime.date.fromisoformat(when)


def test_a_release_has_the_address_of_its_repository(tag: str) -> None:
    for project in PROJECTS:
        assert not [url for url in project["urls"].values() if ".example" in url]
