"""The whole benchmark, with very little stock and load."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from contenders import find_program
from lasting_ports import PORT_LOCK

HERE = Path(__file__).parent
SUPPORT = HERE.parent / "support"
ROWS = ("detail", "content", "bucket", "readers", "all")
TARGETS = 10


@pytest.mark.skipif(find_spec("MySQLdb") is None, reason="needs pixy-web[mysql]: nox -s rehearsal")
def test_a_short_run_measures_and_judges(tmp_path: Path) -> None:
    small = ["--rounds=1", "--seconds=1", "--many=1000", f"--mysqld={find_program('mariadbd')}"]
    done = subprocess.run(
        [sys.executable, HERE / "bench.py", *ROWS, *small],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SUPPORT), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = [line.split(" | ")[-1] for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(verdicts) == 2 + TARGETS
    assert {verdict.strip(" |*") for verdict in verdicts[2:]} <= {"met", "missed"}
    assert done.stdout.splitlines()[-1].partition(" of ")[2].startswith(f"{TARGETS} targets met")
    # the locks of the store's ports stay, as those of all tests
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith(PORT_LOCK)]
    assert left == []
