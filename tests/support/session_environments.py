"""What the sessions of noxfile.py run in: wheels, tools and programs of the system.

Which session needs what stands with the session.
"""

import os
import shutil
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path

import nox
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
PACKAGES = ("pixy-core", "pixy-data", "pixy-service", "pixy-web")
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")

UNPINNED = {"UV_CONSTRAINT": ""}
"""The environment of a command that is not to follow constraints.txt."""

APART = frozenset({"litellm"})
"""Groups that contradict what the others need."""

# mysqlclient has no Linux wheel: it is compiled, against Debian's client library
MYSQL_NEEDS = {
    "mariadb-server-core": "mariadbd",
    "mariadb-client-core": "my_print_defaults",  # mariadb-install-db calls it
    "mariadb-client": "mariadb-dump",  # docs/deploy.md uses it
    "curl": "curl",
    "gcc": "gcc",
    "pkg-config": "pkg-config",
    "libmariadb-dev": "mariadb_config",
    "python3-dev": f"{sysconfig.get_path('include')}/Python.h",
}
BENCH_NEEDS = {**MYSQL_NEEDS, "wrk": "wrk", "nginx": "nginx"}


def tools(*groups: str) -> tuple[str, ...]:
    """Return the requirements of the named groups of pyproject.toml."""
    return nox.project.dependency_groups(PROJECT, *groups)


def wheel(package: str) -> Path:
    """Return the path of a package's only wheel in dist/."""
    (path,) = DIST.glob(f"{package.replace('-', '_')}-*.whl")
    return path


def wheels(package: str, extra: str = "") -> list[str]:
    """Return requirements for a package's wheel and for the siblings that its metadata asks for.

    Each names its file: from a folder, uv would take an older wheel of the same version.
    """
    needed, seen = [package], set[str]()
    while needed:
        name = needed.pop()
        seen.add(name)
        with zipfile.ZipFile(wheel(name)) as archive:
            (member,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            metadata = Parser().parsestr(archive.read(member).decode())
        for wanted in map(Requirement, metadata.get_all("Requires-Dist", [])):
            asked_for = wanted.marker is None or wanted.marker.evaluate({"extra": extra})
            if asked_for and wanted.name in set(PACKAGES) - seen:
                needed.append(wanted.name)
    extras = f"[{extra}]" if extra else ""
    return [f"{name}{extras if name == package else ''} @ {wheel(name).as_uri()}" for name in seen]


def find_program(name: str) -> str | None:
    """Return a program's path; Debian keeps servers in /usr/sbin, where users don't look."""
    return shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


def install_from_debian(session: nox.Session, needs: dict[str, str]) -> None:
    """Install Debian packages of which the named program or file is missing.

    Args:
        session: The session that can't go on without them.
        needs: Debian package -> a program, or the absolute path of a file, that it brings.
    """
    missing = [
        package
        for package, what in needs.items()
        if not (find_program(what) or Path(what).is_file())
    ]
    if not missing:
        return
    command = ["apt-get", "-qq", "-y", "--no-install-recommends", "install", *missing]
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    if not all(shutil.which(program) for program in ("apt-get", *sudo)):
        session.error(f"as root: apt-get install {' '.join(missing)}")
    session.run(*sudo, "apt-get", "-qq", "update", external=True)
    session.run(*sudo, *command, external=True)


def install_apart(session: nox.Session, program: str, *requirements: str) -> str | None:
    """Install a program into an environment of its own, since it needs other versions than we do.

    Args:
        session: The session that runs it.
        program: The program's name.
        requirements: What brings it.

    Returns:
        The program's path, or None where it can't be installed.
    """
    folder = Path(session.cache_dir, program).absolute()
    session.run("uv", "venv", "-q", "--allow-existing", str(folder), external=True)
    install = ["uv", "pip", "install", "-q", "--python", str(folder), *requirements]
    session.run(*install, external=True, success_codes=range(256), env=UNPINNED)
    path = folder / "bin" / program
    return str(path) if path.exists() else None
