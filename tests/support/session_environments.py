"""The environments of the sessions in noxfile.py: wheels, tools and programs of the system.

The sessions themselves say what they need.
"""

import json
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

N8N_NODES = "@n8n/n8n-nodes-langchain@2.41.1"
"""The package with n8n's node for OpenAI."""

UNPINNED = {"UV_CONSTRAINT": ""}
"""The environment of a command that ignores constraints.txt."""

APART = frozenset({"litellm", "clients"})
"""Groups whose requirements conflict with those of the others, or are pinned separately."""

CLIENTS = ROOT / "tests" / "clients"
VIEWER = ROOT / "packages/pixy-web/src/pixy_web/reference/swagger-ui"
"""Which clients tests/clients runs: requirements.txt, and package.json with its lock file."""

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
# a cluster of MariaDB servers; the scripts that transfer data between them call rsync
GALERA_NEEDS = {
    "galera-4": "/usr/lib/galera/libgalera_smm.so",
    "mariadb-server": "wsrep_sst_rsync",
    "rsync": "rsync",
    "lsof": "lsof",
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
    """Return requirements for a package's wheel and for the siblings that its metadata requires.

    Each names a file, because uv could choose an older wheel of the same version from a folder.
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
    """Return a program's path; also search /usr/sbin, where Debian installs servers."""
    return shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


def install_from_debian(session: nox.Session, needs: dict[str, str]) -> None:
    """Install Debian packages whose named program or file is missing.

    Args:
        session: The session that needs them.
        needs: Debian package -> a program, or the absolute path of a file, that it contains.
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


def install_clients(session: nox.Session) -> Path:
    """Install the stock clients, and return the folder with their Python, Node.js and packages."""
    folder = Path(session.cache_dir, "clients").absolute()
    _install_python(session, folder, CLIENTS / "requirements.txt")
    _install_javascript(session, folder, CLIENTS, folder)
    return folder


def install_applications(session: nox.Session, folder: Path) -> None:
    """Install what tests/clients runs of Open WebUI and n8n.

    Args:
        session: The session that runs them.
        folder: What `install_clients` returned.
    """
    _install_python(session, folder / "open-webui", CLIENTS / "open-webui.txt")
    _install_javascript(session, folder / "n8n", CLIENTS / "n8n", folder)
    # all that the package asks for would be 1,800 more packages
    nodes = folder / "n8n" / "node_modules" / "@n8n" / "n8n-nodes-langchain"
    with session.chdir(folder / "n8n"):
        session.run(_find_npm(folder), "pack", "--silent", N8N_NODES, external=True, silent=True)
    (archive,) = (folder / "n8n").glob("n8n-n8n-nodes-langchain-*.tgz")
    shutil.rmtree(nodes, ignore_errors=True)
    nodes.mkdir(parents=True)
    # Debian's Python 3.11.2 has no filters for tarfile
    unpack = ("tar", "--extract", "--strip-components=1", f"--file={archive}")
    session.run(*unpack, f"--directory={nodes}", external=True)
    archive.unlink()


def renew_viewer(session: nox.Session, version: str) -> None:
    """Replace Swagger UI in pixy-web by a release from npm."""
    folder = Path(session.create_tmp())
    with session.chdir(folder):
        package = f"swagger-ui-dist@{version}"
        session.run("npm", "pack", "--silent", package, external=True, silent=True)
    archive = folder / f"swagger-ui-dist-{version}.tgz"
    members = [f"package/{path.name}" for path in VIEWER.iterdir() if path.name != "VERSION"]
    unpack = ("tar", "--extract", "--strip-components=1", f"--file={archive}")
    session.run(*unpack, f"--directory={VIEWER}", *members, external=True)
    (VIEWER / "VERSION").write_text(f"{version}\n")


def _install_python(session: nox.Session, folder: Path, requirements: Path) -> None:
    session.run("uv", "venv", "-q", "--allow-existing", str(folder), external=True)
    sync = ("uv", "pip", "sync", "-q", "--python", str(folder), str(requirements))
    session.run(*sync, external=True, env=UNPINNED)


def _install_javascript(session: nox.Session, folder: Path, pinned: Path, stock: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(pinned / name, folder)
    install = (_find_npm(stock), "install", "--loglevel=error", "--prefer-offline")
    with session.chdir(folder):
        session.run(*install, "--ignore-scripts", "--no-audit", "--no-fund", external=True)


def _find_npm(stock: Path) -> str:
    """Return the system's npm, which knows the system's registry, or the one of Node.js's wheel."""
    return find_program("npm") or str(stock / "bin" / "npm")


def install_alone(session: nox.Session, name: str, *requirements: str) -> str:
    """Install requirements into an environment that has nothing else; return its Python."""
    folder = Path(session.cache_dir, name).absolute()
    session.run("uv", "venv", "-q", "--clear", str(folder), external=True)
    install = ("uv", "pip", "install", "-q", "--python", str(folder), *requirements)
    session.run(*install, external=True)
    return str(folder / "bin" / "python")


def remove_local_paths(listed: Path) -> None:
    """Remove from a CycloneDX file where this machine had the wheels."""
    document = json.loads(listed.read_text())
    for component in document["components"]:
        references = component.get("externalReferences", [])
        references[:] = [r for r in references if not r["url"].startswith("file:")]
    listed.write_text(json.dumps(document, indent=2) + "\n")


def install_apart(session: nox.Session, program: str, *requirements: str) -> str | None:
    """Install a program into a separate environment, because it needs other versions than we do.

    Args:
        session: The session that runs it.
        program: The program's name.
        requirements: The packages to install.

    Returns:
        The program's path, or None if it can't be installed.
    """
    folder = Path(session.cache_dir, program).absolute()
    session.run("uv", "venv", "-q", "--allow-existing", str(folder), external=True)
    install = ["uv", "pip", "install", "-q", "--python", str(folder), *requirements]
    session.run(*install, external=True, success_codes=range(256), env=UNPINNED)
    path = folder / "bin" / program
    return str(path) if path.exists() else None
