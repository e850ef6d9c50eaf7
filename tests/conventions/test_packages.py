"""The four packages have one version, one licence and complete files."""

import re
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted((ROOT / "packages").iterdir())
PROJECTS = [tomllib.loads((p / "pyproject.toml").read_text())["project"] for p in PACKAGES]
MIGRATION = "pixy_data/migrations/versions/0001_images_and_users.py"


def requirements(project: dict[str, object]) -> list[str]:
    extras = project.get("optional-dependencies", {})
    assert isinstance(extras, dict)
    return [*project["dependencies"], *(r for extra in extras.values() for r in extra)]


def built_files(package: Path, ending: str) -> set[str]:
    (path,) = (ROOT / "dist").glob(f"{package.name.replace('-', '_')}-*{ending}")
    if ending == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return set(wheel.namelist())
    with tarfile.open(path) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def test_all_packages_share_one_version() -> None:
    assert len({project["version"] for project in PROJECTS}) == 1


def test_siblings_are_pinned_to_that_version() -> None:
    pins = [r for p in PROJECTS for r in requirements(p) if r.startswith("pixy-")]
    assert len(pins) >= 5
    assert all(re.fullmatch(rf"[\w\[\]-]+=={PROJECTS[0]['version']}", pin) for pin in pins)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_wheel_is_typed_and_licensed(package: Path) -> None:
    files = built_files(package, ".whl")
    assert f"{package.name.replace('-', '_')}/py.typed" in files
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in files)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_an_sdist_holds_what_its_wheel_is_built_from(package: Path) -> None:
    files = built_files(package, ".tar.gz")
    assert {"README.md", "LICENSE", "pyproject.toml", "PKG-INFO"} <= files
    assert not any(".pyc" in name or name.endswith((".db", ".sqlite3")) for name in files)


@pytest.mark.parametrize("ending", [".whl", ".tar.gz"])
def test_the_viewer_of_the_api_reference_is_packed_with_its_licences(ending: str) -> None:
    files = built_files(ROOT / "packages/pixy-web", ending)
    for name in ("swagger-ui-bundle.js", "LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"):
        assert any(path.endswith(f"pixy_web/reference/swagger-ui/{name}") for path in files)


@pytest.mark.parametrize("ending", [".whl", ".tar.gz"])
def test_the_migrations_are_in_the_wheel(ending: str) -> None:
    files = built_files(ROOT / "packages/pixy-data", ending)
    assert any(name.endswith(MIGRATION) for name in files)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_package_carries_the_licence_of_the_repository(package: Path) -> None:
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_readme_says_what_it_may_import_and_shows_an_example(package: Path) -> None:
    text = (package / "README.md").read_text()
    assert "import" in text.partition("```")[0]
    assert "```python\n" in text
