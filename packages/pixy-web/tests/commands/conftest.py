"""The command `pixy`, run as a separate process on the data of a running service."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from running_service import RunningService


@pytest.fixture
def run(fresh: RunningService, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs `pixy` on the data of a service that holds one image."""
    fresh.make_image(fresh.sign_in())

    def run_pixy(
        *arguments: str,
        data_dir: Path = fresh.settings.data_dir,
        stderr: int = subprocess.PIPE,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "pixy"), *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PIXY_DATA_DIR": str(data_dir), "PIXY_PORT": "0"}
            | environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=60,
            check=False,
        )

    return run_pixy


@pytest.fixture
def file(fresh: RunningService, run: object) -> Path:
    """The file of the image."""
    (path,) = (fresh.settings.data_dir / "images").glob("*/*.png")
    return path
