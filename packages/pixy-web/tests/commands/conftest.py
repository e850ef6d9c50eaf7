"""The command `pixy` in processes of its own: in an empty folder, or on an installation."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forked_pixy import ForkedPixy
from running_service import RunningService, run_service

Run = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Installation:
    """The data folder of a service with one image, its file, and its owner."""

    data_dir: Path
    file: Path
    owner: str


@pytest.fixture(scope="session")
def forked() -> Iterator[ForkedPixy]:
    with ForkedPixy() as forked:
        yield forked


@pytest.fixture
def run_here(forked: ForkedPixy, tmp_path: Path) -> Run:
    """Return a function that runs `pixy` in an empty folder."""

    def run_pixy(
        *arguments: str, stdin: str | bytes = "", stdout: int | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {"PIXY_PORT": "0"} | environment
        return forked.run(
            *arguments, folder=tmp_path, environment=environment, stdin=stdin, stdout=stdout
        )

    return run_pixy


@pytest.fixture(scope="session")
def first_installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The installation that `installation` copies; drawing an image takes longer."""
    service = run_service(tmp_path_factory.mktemp("first"))
    owner = service.add_user()
    service.make_image(service.client(owner))
    service.stop()
    (file,) = (service.settings.data_dir / "images").glob("*/*.png")
    return Installation(service.settings.data_dir, file, owner)


@pytest.fixture
def installation(
    first_installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    data_dir = tmp_path_factory.mktemp("installed") / "data"
    shutil.copytree(first_installation.data_dir, data_dir)
    file = data_dir / first_installation.file.relative_to(first_installation.data_dir)
    return Installation(data_dir, file, first_installation.owner)


@pytest.fixture
def running(installation: Installation) -> Iterator[RunningService]:
    """The service of the installation."""
    service = run_service(installation.data_dir)
    yield service
    service.stop()


@pytest.fixture
def run(forked: ForkedPixy, installation: Installation, tmp_path: Path) -> Run:
    """Return a function that runs `pixy` on the installation."""

    def run_pixy(
        *arguments: str,
        data_dir: Path = installation.data_dir,
        stdin: str = "",
        stdout: int | None = None,
        stderr: int | None = None,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        settings = {"PIXY_DATA_DIR": str(data_dir), "PIXY_PORT": "0"} | environment
        return forked.run(
            *arguments,
            folder=tmp_path,
            environment=settings,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    return run_pixy


@pytest.fixture
def file(installation: Installation) -> Path:
    """The file of the image."""
    return installation.file
