"""Which releases the sessions install: those of constraints.txt, the newest, or the oldest.

What asks for them stands in pyproject.toml and in each package's own.
"""

from pathlib import Path

import nox

from session_environments import APART, DIST, PACKAGES, PROJECT, ROOT, UNPINNED, tools

CONSTRAINTS = ROOT / "constraints.txt"
_PROJECTS = [ROOT / "packages" / package / "pyproject.toml" for package in PACKAGES]
_COMPILE = ("uv", "pip", "compile", "-q", f"--find-links={DIST}")


def compile_newest(session: nox.Session) -> None:
    """Write the newest releases of all that any session installs into constraints.txt."""
    groups = Path(session.create_tmp(), "groups.in")
    groups.write_text("\n".join(tools(*(PROJECT["dependency-groups"].keys() - APART))))
    options = "--universal --upgrade --all-extras --no-annotate --no-header --no-emit-find-links"
    ours = [f"--no-emit-package={package}" for package in PACKAGES]
    where = ("--python-version=3.11", f"--output-file={CONSTRAINTS}")
    session.run(*_COMPILE, *options.split(), *ours, *where, *_PROJECTS, groups, env=UNPINNED)


def compile_lowest(session: nox.Session) -> str:
    """Return the path of a list of the oldest releases that the packages' metadata admits."""
    lowest = Path(session.create_tmp(), "lowest.txt")
    options = ("--resolution=lowest-direct", f"--output-file={lowest}")
    session.run(*_COMPILE, *options, *_PROJECTS, env=UNPINNED)
    return str(lowest)
