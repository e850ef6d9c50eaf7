"""The command `pixy check`."""

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def check(run: Run) -> Run:
    return partial(run, "check")


@pytest.mark.usefixtures("running")
def test_without_problems_it_exits_with_0(check: Run) -> None:
    told = check()
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == "Checked 1 images and 1 files. Problems left: 0.\n"


def test_a_finding_is_printed_and_exits_with_1(check: Run, file: Path) -> None:
    file.unlink()
    told = check()
    assert told.returncode == 1
    place = f"images/{file.parent.name}/{file.name}"
    assert told.stdout.splitlines() == [
        f"missing    {place}  its file is not there",
        "Checked 1 images and 0 files. Problems left: 1.",
    ]


def test_json_output_has_one_object_per_line(check: Run, file: Path) -> None:
    file.write_bytes(b"")
    told = check("--json")
    assert told.returncode == 1
    finding, summary = map(json.loads, told.stdout.splitlines())
    assert finding == {
        "kind": "corrupt",
        "guid": file.stem,
        "path": f"images/{file.parent.name}/{file.name}",
        "reason": "its size or SHA-256 differs from the row, or it can't be read",
        "repair": None,
    }
    assert summary == {"summary": {"images": 1, "files": 1, "remaining": 1}}


@pytest.mark.usefixtures("running")
def test_a_complete_repair_exits_with_0(check: Run, file: Path) -> None:
    orphan = file.with_name(f"{file.name[:-8]}aaaa.png")
    orphan.touch()
    # by default a young file is only reported, and older ones are moved
    told = check("--repair")
    assert (told.returncode, told.stdout.split()[0]) == (1, "recent")
    assert orphan.exists()
    assert check("--min-age", "0").returncode == 1
    told = check("--repair", "--min-age", "0")
    assert told.returncode == 0
    assert f"moved to quarantine/{orphan.name}" in told.stdout
    assert check("--min-age", "0").returncode == 0


def test_a_wrong_folder_is_refused_with_a_remedy(check: Run, file: Path) -> None:
    (file.parents[1] / ".store").unlink()
    for arguments in ([], ["--repair"], ["--json"]):
        told = check(*arguments)
        assert (told.returncode, told.stdout) == (3, "")
        assert "do not belong together" in told.stderr
        assert "--accept-store" in told.stderr
    assert check("--accept-store").returncode == 0
    assert check().returncode == 0


def test_a_check_that_can_t_finish_exits_with_3(check: Run, tmp_path: Path) -> None:
    (tmp_path / "blocked").touch()
    told = check(PIXY_DATABASE_URL=f"sqlite:///{tmp_path}/blocked/pixy")
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
def test_wrong_usage_and_wrong_settings_exit_with_2(
    check: Run, arguments: list[str], environment: dict[str, str]
) -> None:
    told = check(*arguments, **environment)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
