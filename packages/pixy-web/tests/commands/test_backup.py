"""The commands `pixy backup` and `pixy restore`, run as processes of their own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from running_service import RunningService

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(fresh: RunningService, tmp_path: Path) -> Run:
    """Run `pixy` on the data of a service that holds one image."""
    fresh.make_image(fresh.sign_in())

    def run_pixy(
        *arguments: str, data_dir: Path = fresh.settings.data_dir, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "pixy"), *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PIXY_DATA_DIR": str(data_dir)} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_pixy


@pytest.fixture
def file(run: Run, fresh: RunningService) -> Path:
    (path,) = (fresh.settings.data_dir / "images").glob("*/*.png")
    return path


def test_a_running_service_is_backed_up_and_restored(run: Run, file: Path, tmp_path: Path) -> None:
    told = run("backup", "copy")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == (
        "Backed up 1 images and 0 entries of the journal to copy: "
        f"copied 1 files of {file.stat().st_size} bytes, removed 0.\n"
    )
    new = tmp_path / "new"
    told = run("restore", "copy", data_dir=new)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == f"Restored 1 images and 0 entries of the journal to {new}.\n"
    assert run("check", data_dir=new).returncode == 0


def test_damaged_images_are_told_and_are_the_exit_code(
    run: Run, file: Path, tmp_path: Path
) -> None:
    file.unlink()
    line = f"missing    images/{file.parent.name}/{file.name}  its file is not there"
    told = run("backup", "copy")
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, line)
    assert told.stderr == "pixy: 1 images can not be backed up\n"
    told = run("restore", "copy", data_dir=tmp_path / "new")
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, line)
    assert told.stderr == "pixy: 1 images are not what they were\n"


def test_what_was_not_done_has_an_exit_code_of_its_own(run: Run, file: Path) -> None:
    told = run("restore", "nowhere")
    assert (told.returncode, told.stdout) == (3, "")
    assert told.stderr.startswith("pixy: the restore stopped: ")
    (file.parents[1] / ".store").unlink()
    told = run("backup", "copy")
    assert (told.returncode, told.stdout) == (3, "")
    assert "do not belong together" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["backup"], {}),
        (["restore"], {}),
        (["backup", "copy", "--files-only"], {}),
        (["backup", "copy"], {"PIXY_DATA_DIR": "/nowhere"}),
        (["backup", "copy"], {"PIXY_TYPO": "1"}),
        (["restore", "copy"], {"PIXY_DATABASE_URL": "oracle://x"}),
    ],
    ids=str,
)
def test_wrong_usage_and_wrong_settings_end_with_2(
    run: Run, arguments: list[str], environment: dict[str, str]
) -> None:
    told = run(*arguments, **environment)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
