"""Every check that decides whether a change may be merged: `./dev nox`, or `./dev nox -l`.

How the tools are set up stands in pyproject.toml; what the tests assert stands in the tests.
"""

import os
import re
import shutil
import sysconfig
import zipfile
from email.parser import Parser
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2026.7"
nox.options.default_venv_backend = "uv"
nox.options.error_on_external_run = True

# behind a company's proxy, only the system knows its certificate
os.environ["UV_SYSTEM_CERTS"] = "1"
MYSQLD = os.environ.get("PIXY_TEST_MYSQLD")
# a session must not find a package by any other way than its wheel, nor a developer's own settings
for name in [n for n in os.environ if n == "PYTHONPATH" or n.startswith(("PIXY_", "OPENAI_"))]:
    del os.environ[name]

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
PACKAGES = ("pixy-core", "pixy-data", "pixy-service", "pixy-web")
TEST_GROUPS = tuple(f"test-{package}" for package in PACKAGES)
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTEST = ("pytest", "--numprocesses=auto", "--dist=worksteal")
DEPTRY_OPTIONS = (
    *("--package-module-name-map", "mysqlclient=MySQLdb"),
    # imported by name: by uvicorn where they are, by SQLAlchemy for a mysql URL
    *("--per-rule-ignores", "DEP002=httptools|uvloop|mysqlclient"),
)
# mysqlclient has no Linux wheel: it is compiled, against Debian's client library
MYSQL_NEEDS = {
    "mariadb-server-core": "mariadbd",
    "mariadb-client-core": "my_print_defaults",  # mariadb-install-db calls it
    "gcc": "gcc",
    "pkg-config": "pkg-config",
    "libmariadb-dev": "mariadb_config",
    "python3-dev": f"{sysconfig.get_path('include')}/Python.h",
}


@nox.session
def lint(session: nox.Session) -> None:
    """Finds mistakes and settles questions of form, so that no review has to."""
    session.install(*tools("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(venv_backend="none")
def build(session: nox.Session) -> None:
    """Builds what will be published, each wheel from its sdist: all further sessions test that."""
    shutil.rmtree(DIST, ignore_errors=True)
    for package in PACKAGES:
        session.run("uv", "build", "-q", "--out-dir", DIST, ROOT / "packages" / package)


@nox.session(requires=["build"])
def types(session: nox.Session) -> None:
    """Checks each package's types against its siblings' wheels, as those who use them would."""
    session.install(*wheels("pixy-web"), *tools("types", "nox", *TEST_GROUPS))
    for package in PACKAGES:
        session.run("mypy", f"packages/{package}/src")
    session.run("mypy", "noxfile.py", "tests/support")


@nox.session(requires=["build"])
def contract(session: nox.Session) -> None:
    """Keeps each layer to the imports that DESIGN allows and its own metadata declares."""
    session.install(*wheels("pixy-web"), *tools("contract"))
    sources = os.pathsep.join(str(ROOT / "packages" / package / "src") for package in PACKAGES)
    session.run("lint-imports", env={"PYTHONPATH": sources})
    for package in PACKAGES:
        with session.chdir(ROOT / "packages" / package):
            session.run("deptry", *DEPTRY_OPTIONS, "src")


@nox.session(requires=["build"])
def conventions(session: nox.Session) -> None:
    """Holds the tree and the built files to the promises that no other tool checks."""
    session.install("nox", *tools("test"))
    session.run("pytest", "tests/conventions", *session.posargs)


@nox.session(requires=["build"])
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def tests(session: nox.Session, package: str) -> None:
    """Tests one wheel with only what it asks for, so that a forgotten dependency is missing."""
    session.install(*wheels(package), *tools(f"test-{package}"))
    session.run(*PYTEST, f"packages/{package}", *session.posargs)


@nox.session(requires=["build"])
def minimums(session: nox.Session) -> None:
    """Tests the oldest releases that the metadata admits, which nobody here runs otherwise."""
    lowest = Path(session.create_tmp(), "lowest.txt")
    projects = [ROOT / "packages" / package / "pyproject.toml" for package in PACKAGES]
    options = ["--resolution=lowest-direct", f"--find-links={DIST}"]
    session.run("uv", "pip", "compile", "-q", f"--output-file={lowest}", *options, *projects)
    session.install("-r", str(lowest), *wheels("pixy-web"), *tools(*TEST_GROUPS))
    session.run(*PYTEST, "packages", *session.posargs)


@nox.session(requires=["build"])
def e2e(session: nox.Session) -> None:
    """Runs the installed command as its users do, and speaks nothing but HTTP to it."""
    session.install(*wheels("pixy-web"), *tools("e2e"))
    session.run(*PYTEST, "tests/e2e", *session.posargs)


@nox.session(requires=["build"])
def mysql(session: nox.Session) -> None:
    """Repeats what touches a database on real servers: they refuse what SQLite forgives."""
    install_from_debian(session, MYSQL_NEEDS)
    session.install(*wheels("pixy-web", extra="mysql"), *tools("test-pixy-data", "e2e"))
    servers = [find_program("mariadbd"), MYSQLD]
    for server in filter(None, servers):
        for suite in ("packages/pixy-data", "tests/e2e"):
            session.run(*PYTEST, suite, "--mysqld", server, *session.posargs)


@nox.session(requires=["build"])
def browser(session: nox.Session) -> None:
    """Looks at the pages with a real browser, since HTML that parses may still show nothing."""
    install_from_debian(session, {"chromium": "chromium"})
    session.install(*wheels("pixy-web"), *tools("browser"))
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Builds the site from docs/ and stops at a broken link."""
    session.install(*tools("docs"))
    session.run("zensical", "build", "--clean", "--strict")


@nox.session(requires=["build"])
def demo(session: nox.Session) -> None:
    """Does what the README's first line promises, down to the lines that it prints to copy."""
    install_from_debian(session, {"curl": "curl", "file": "file"})
    session.install(*wheels("pixy-web"), *tools("test"))
    session.run("pytest", "tests/demo", *session.posargs)


@nox.session(venv_backend="venv", requires=["build"])
def install(session: nox.Session) -> None:
    """Installs as people do: plain pip, one wheel named, its siblings from a folder."""
    session.run("pip", "install", "-q", "--find-links", DIST, wheel("pixy-web"))
    session.run("pixy", "--version")


@nox.session(venv_backend="none", default=False)
def bump(session: nox.Session) -> None:
    """Sets the one version that all packages share: nox -s bump -- 0.2.0."""
    if len(session.posargs) != 1:
        session.error("which version? nox -s bump -- 0.2.0")
    version = session.posargs[0]
    for path in ROOT.glob("packages/*/pyproject.toml"):
        text = re.sub(r'(?m)^version = ".*"', f'version = "{version}"', path.read_text())
        path.write_text(re.sub(r'"(pixy-[^"=]+)==[^"]+"', rf'"\1=={version}"', text))


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
