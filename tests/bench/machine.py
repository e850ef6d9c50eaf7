"""The environment of the benchmark: machine, versions and commit."""

import argparse
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from contenders import find_program

ROOT = Path(__file__).parents[2]
LIBRARIES = ("fastapi", "starlette", "uvicorn", "uvloop", "sqlalchemy", "mysqlclient", "openai")


def describe(mysqld: Path, litellm: Path | None, arguments: argparse.Namespace) -> list[str]:
    """Return a description of the environment, one fact on each line."""
    cores = os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        (
            f"Commit {_read_commit()}, PixyProxy {version('pixy-web')}, {arguments.rounds} rounds, "
            f"{arguments.seconds} s for each load"
        ),
        (
            f"{_read_processor()}, {cores} cores, {memory:.0f} GiB, Linux {platform.release()}, "
            "load and contenders on the same machine"
        ),
        f"Python {platform.python_version()}, {libraries}",
        f"{describe_database(mysqld)}, over TCP",
        f"{_run(find_program('nginx'), '-v')}; {_describe_litellm(litellm)}",
    ]


def describe_database(mysqld: Path) -> str:
    """Return the name and version of a database server."""
    text = _run(str(mysqld), "--version").partition(" Ver ")[2].split()[0]
    return text if "MariaDB" in text else f"MySQL {text}"


def _describe_litellm(program: Path | None) -> str:
    if program is None:
        return "LiteLLM: not installed"
    asked = "from importlib.metadata import version; print(version('litellm'))"
    return f"LiteLLM {_run(str(program.with_name('python')), '-c', asked)}"


def _read_commit() -> str:
    commit = _run("git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD")
    changed = _run("git", "-C", str(ROOT), "status", "--porcelain", "packages")
    return f"{commit} with changes" if changed else commit


def _read_processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.machine()


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip()
