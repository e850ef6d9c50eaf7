"""The command `pixy content copy`."""

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from running_service import RunningService

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.usefixtures("running")
def test_the_images_of_a_running_service_are_copied(run: Run, file: Path, tmp_path: Path) -> None:
    told = run("content", "copy", "--to", "new")
    assert (told.returncode, told.stderr) == (0, "")
    size = file.stat().st_size
    assert told.stdout == f"Copied 1 images of {size} bytes to new: it has 1 of 1.\n"
    copied = tmp_path / "new/images" / file.parent.name / file.name
    assert copied.read_bytes() == file.read_bytes()
    told = run("content", "copy", "--to", "new")
    assert told.stdout == "Copied 0 images of 0 bytes to new: it has 1 of 1.\n"


def test_damaged_images_are_reported_and_exit_with_1(run: Run, file: Path, tmp_path: Path) -> None:
    file.unlink()
    line = f"missing    images/{file.parent.name}/{file.name}  its file is not there"
    told = run("content", "copy", "--to", "new")
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, line)
    assert told.stdout.splitlines()[1] == "Copied 0 images of 0 bytes to new: it has 0 of 1."
    assert told.stderr == (
        "pixy: 1 images are missing or damaged and were not copied\n"
        "pixy: the copy is not complete: repair these, or see `pixy content copy --help`\n"
    )
    assert not (tmp_path / "new/images/.store").exists()
    told = run("content", "copy", "--to", "new", "--leave-damaged")
    assert (told.returncode, told.stdout.splitlines()[0]) == (1, line)
    assert told.stderr == "pixy: 1 images are missing or damaged and were not copied\n"
    assert (tmp_path / "new/images/.store").exists()


def test_images_that_were_deleted_since_are_counted(run: Run, running: RunningService) -> None:
    ada = running.sign_in()
    guid = running.make_image(ada)["guid"]
    run("content", "copy", "--to", "new")
    assert ada.delete(f"/image/{guid}").status_code == 204
    told = run("content", "copy", "--to", "new")
    assert (told.returncode, told.stdout.split(": ")[1]) == (0, "it has 1 of 1.\n")
    assert told.stderr.startswith("pixy: 1 images in the copy have no row")
    assert "pixy check --repair" in told.stderr


def test_a_place_of_another_database_exits_with_3(run: Run, file: Path, tmp_path: Path) -> None:
    (tmp_path / "new/images").mkdir(parents=True)
    (tmp_path / "new/images/.store").write_text("0" * 64 + "\n")
    told = run("content", "copy", "--to", "new")
    assert (told.returncode, told.stdout) == (3, "")
    assert "do not belong together" in told.stderr
    assert "new: one is of another database" in told.stderr
    assert not (tmp_path / "new/images" / file.parent.name).exists()


def test_a_terminal_sees_no_progress_of_a_copy_of_a_moment(run: Run, file: Path) -> None:
    terminal, end = pty.openpty()
    try:
        assert run("content", "copy", "--to", "new", stderr=end).returncode == 0
    finally:
        os.close(end)
        os.close(terminal)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["content", "copy"], {}),
        (["content", "copy", "--to", "new"], {"PIXY_DATA_DIR": "/nowhere"}),
        (["content", "copy", "--to", "new"], {"PIXY_TYPO": "1"}),
        (["content", "copy", "--to", "ftp://host/x"], {}),
        (["content", "copy", "--to", "s3://bucket/x"], {"PIXY_CONTENT": "s3://bucket/x/"}),
    ],
    ids=str,
)
def test_wrong_usage_and_wrong_settings_exit_with_2(
    run: Run, arguments: list[str], environment: dict[str, str]
) -> None:
    told = run(*arguments, **environment)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr


def test_the_folder_in_use_exits_with_2(run: Run, file: Path) -> None:
    told = run("content", "copy", "--to", str(file.parents[2]))
    assert told.returncode == 2
    assert "is where the images are" in told.stderr


@pytest.mark.parametrize(
    "arguments",
    [["serve"], ["check"], ["content", "copy", "--to", "new"]],
    ids=" ".join,
)
def test_without_the_extra_the_line_to_type_is_named(
    run: Run, arguments: list[str], tmp_path: Path
) -> None:
    (tmp_path / "obstore.py").write_text("raise ImportError")
    settings = {"PIXY_GENERATOR": "sketch", "PIXY_CONTENT": "s3://bucket/x"}
    told = run(*arguments, PYTHONPATH=str(tmp_path), **settings)
    assert told.returncode == 2
    assert told.stderr.endswith("is not installed: pip install 'pixy-web[s3]'\n")


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_backup_of_a_bucket_names_what_copies_it(run: Run, command: str) -> None:
    told = run(command, "saved", PIXY_CONTENT="s3://bucket/x")
    assert told.returncode == 2
    assert "pixy content copy --to FOLDER" in told.stderr
