"""Which releases the sessions install: those of constraints.txt, the newest, or the oldest.

The requirements are in pyproject.toml and in those of the packages.
"""

from pathlib import Path

import nox

from session_environments import (
    APART,
    CLIENTS,
    DIST,
    PACKAGES,
    PROJECT,
    ROOT,
    UNPINNED,
    tools,
)

CONSTRAINTS = ROOT / "constraints.txt"
_PROJECTS = [ROOT / "packages" / package / "pyproject.toml" for package in PACKAGES]
_CLIENTS = CLIENTS / "requirements.txt"
_NEWEST = ["--universal", "--upgrade", "--python-version=3.11", "--no-annotate", "--no-header"]
_COMPILE = ("uv", "pip", "compile", "-q", f"--find-links={DIST}")


def compile_newest(session: nox.Session) -> None:
    """Write the newest releases of all packages of all sessions to constraints.txt."""
    groups = Path(session.create_tmp(), "groups.in")
    groups.write_text("\n".join(tools(*(PROJECT["dependency-groups"].keys() - APART))))
    options = ("--all-extras", "--no-emit-find-links", f"--output-file={CONSTRAINTS}")
    ours = [f"--no-emit-package={package}" for package in PACKAGES]
    session.run(*_COMPILE, *_NEWEST, *options, *ours, *_PROJECTS, groups, env=UNPINNED)
    compile_clients(session)


def compile_clients(session: nox.Session) -> None:
    """Write the newest releases of the Python clients into tests/clients/requirements.txt."""
    clients = Path(session.create_tmp(), "clients.in")
    clients.write_text("\n".join(tools("clients")))
    command = ("uv", "pip", "compile", "-q", *_NEWEST, f"--output-file={_CLIENTS}")
    session.run(*command, clients, env=UNPINNED)


def compile_lowest(session: nox.Session) -> str:
    """Return the path of a list of the oldest releases that the packages' metadata allows."""
    lowest = Path(session.create_tmp(), "lowest.txt")
    options = ("--resolution=lowest-direct", f"--output-file={lowest}")
    session.run(*_COMPILE, *options, *_PROJECTS, env=UNPINNED)
    return str(lowest)
