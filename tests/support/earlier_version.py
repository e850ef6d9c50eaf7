"""Builds and installs the version before a file was added, from the history of this repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PACKAGES = ("pixy-core", "pixy-data", "pixy-service", "pixy-web")


class NoHistoryError(Exception):
    """The version can't be built here; the message says why."""


def install_version_before(file: str, folder: Path, *, extra: str = "") -> Path:
    """Build the wheels of the last commit without a file, and return the command `pixy` of them.

    Args:
        file: Its path in the repository.
        folder: An empty folder for sources, wheels and the environment.
        extra: An extra of pixy-web, such as `mysql`.

    Raises:
        NoHistoryError: There is no repository or no uv, or the history ends before that commit.
    """
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        raise NoHistoryError("uv is not installed")
    _unpack(_find_commit_before(file), folder)
    for package in _PACKAGES:
        build = [uv, "build", "-q", "--wheel", "--out-dir", "dist", f"packages/{package}"]
        subprocess.run(build, cwd=folder, check=True)
    wheels = [_name_wheel(folder, package, extra) for package in _PACKAGES]
    environment = str(folder / "environment")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, environment], check=True)
    install = [uv, "pip", "install", "-q", "--python", environment, *wheels]
    pinned = os.environ | {"UV_CONSTRAINT": str(folder / "constraints.txt")}
    subprocess.run(install, env=pinned, check=True)
    return Path(environment, "bin", "pixy")


def _name_wheel(folder: Path, package: str, extra: str) -> str:
    (path,) = (folder / "dist").glob(f"{package.replace('-', '_')}-*.whl")
    extras = f"[{extra}]" if extra and package == "pixy-web" else ""
    return f"{package}{extras} @ {path.as_uri()}"


def _find_commit_before(file: str) -> str:
    added = _run_git("log", "--diff-filter=A", "--format=%H", "--", file).split()
    # not committed yet: the newest commit is without it
    return _run_git("rev-parse", "--verify", f"{added[-1]}^" if added else "HEAD").strip()


def _run_git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        raise NoHistoryError("the history of the repository is not here") from error


def _unpack(commit: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "sources.tar"
    _run_git("archive", f"--output={archive}", commit)
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
