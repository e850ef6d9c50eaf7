"""The command `pixy check`, run as a process of its own beside a running service."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from running_service import RunningService

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(fresh: RunningService) -> Run:
    """Run `pixy check` on the data of a service that holds one image."""
    fresh.make_image(fresh.sign_in())
    data_dir = str(fresh.settings.data_dir)

    def run_check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "pixy"), "check", *arguments],
            env={"PATH": "/usr/bin:/bin", "PIXY_DATA_DIR": data_dir, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_check


@pytest.fixture
def file(run: Run, fresh: RunningService) -> Path:
    (path,) = (fresh.settings.data_dir / "images").glob("*/*.png")
    return path


def test_all_is_well(run: Run) -> None:
    told = run()
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == "Looked at 1 images and 1 files: all is well.\n"


def test_a_finding_is_told_and_is_the_exit_code(run: Run, file: Path) -> None:
    file.unlink()
    told = run()
    assert told.returncode == 1
    place = f"images/{file.parent.name}/{file.name}"
    assert told.stdout.splitlines() == [
        f"missing    {place}  its file is not there",
        "Looked at 1 images and 0 files: 1 left to do.",
    ]


def test_programs_get_an_object_a_line(run: Run, file: Path) -> None:
    file.write_bytes(b"")
    told = run("--json")
    assert told.returncode == 1
    finding, summary = map(json.loads, told.stdout.splitlines())
    assert finding == {
        "kind": "corrupt",
        "guid": file.stem,
        "path": f"images/{file.parent.name}/{file.name}",
        "reason": "its file is not what it was",
        "repair": None,
    }
    assert summary == {"summary": {"images": 1, "files": 1, "remaining": 1}}


def test_a_repair_after_which_all_is_well_ends_with_0(run: Run, file: Path) -> None:
    orphan = file.with_name(f"{file.name[:-8]}aaaa.png")
    orphan.touch()
    # the default tells of a young file, and moves only what is older
    told = run("--repair")
    assert (told.returncode, told.stdout.split()[0]) == (1, "recent")
    assert orphan.exists()
    assert run("--min-age", "0").returncode == 1
    told = run("--repair", "--min-age", "0")
    assert told.returncode == 0
    assert f"moved to quarantine/{orphan.name}" in told.stdout
    assert run("--min-age", "0").returncode == 0


def test_a_wrong_folder_is_refused_with_the_way_out(run: Run, file: Path) -> None:
    (file.parents[1] / ".store").unlink()
    for arguments in ([], ["--repair"], ["--json"]):
        told = run(*arguments)
        assert (told.returncode, told.stdout) == (3, "")
        assert "do not belong together" in told.stderr
        assert "--accept-store" in told.stderr
    assert run("--accept-store").returncode == 0
    assert run().returncode == 0


def test_what_can_not_be_told_has_an_exit_code_of_its_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "blocked").touch()
    told = run(PIXY_DATABASE_URL=f"sqlite:///{tmp_path}/blocked/pixy")
    assert told.returncode == 3
    assert told.stderr == (
        "pixy: the check stopped: Error connecting to the database: "
        f"{tmp_path}/blocked: File exists\n"
    )


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--frobnicate"], {}),
        (["--min-age", "-1"], {}),
        ([], {"PIXY_TYPO": "1"}),
        ([], {"PIXY_DATA_DIR": "/nowhere"}),
    ],
)
def test_wrong_usage_and_wrong_settings_end_with_2(
    run: Run, arguments: list[str], environment: dict[str, str]
) -> None:
    told = run(*arguments, **environment)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
