"""The commands `pixy backup` and `pixy restore`."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.usefixtures("running")
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


def test_damaged_images_are_reported_and_exit_with_1(run: Run, file: Path, tmp_path: Path) -> None:
    file.unlink()
    line = f"missing    images/{file.parent.name}/{file.name}  its file is not there"
    told = run("backup", "copy")
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, line)
    assert told.stderr == "pixy: 1 images are missing or damaged and were not backed up\n"
    told = run("restore", "copy", data_dir=tmp_path / "new")
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, line)
    assert told.stderr == "pixy: 1 images are missing or damaged\n"


def test_a_backup_or_restore_that_fails_exits_with_3(run: Run, file: Path) -> None:
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
def test_wrong_usage_and_wrong_settings_exit_with_2(
    run: Run, arguments: list[str], environment: dict[str, str]
) -> None:
    told = run(*arguments, **environment)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
