"""The checks of a change in two tiers: `./dev nox` before a merge, `./dev nox -t slow` after it.

`./dev nox -l` lists the sessions. pyproject.toml configures the tools.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "tests" / "support"))
from pinned_releases import CONSTRAINTS, compile_lowest, compile_newest
from session_environments import (
    BENCH_NEEDS,
    DIST,
    MYSQL_NEEDS,
    PACKAGES,
    ROOT,
    UNPINNED,
    find_program,
    install_apart,
    install_from_debian,
    tools,
    wheel,
    wheels,
)

nox.needs_version = ">=2026.7"
nox.options.default_venv_backend = "uv"
nox.options.error_on_external_run = True

# behind a company's proxy, only the system knows its certificate
os.environ["UV_SYSTEM_CERTS"] = "1"
# what was new when nobody looked must not decide whether a change may be merged: nox -s lock
os.environ["UV_CONSTRAINT"] = str(CONSTRAINTS)
MYSQLD = os.environ.get("PIXY_TEST_MYSQLD")
# hundreds of processes start here, of which each would compile whatever it imports
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# a session must not find a package by any other way than its wheel, nor a developer's own settings
for name in [n for n in os.environ if n.startswith(("PIXY_", "OPENAI_", "PYTHONPATH"))]:
    del os.environ[name]

SUPPORT = {"PYTHONPATH": str(ROOT / "tests" / "support")}
TEST_GROUPS = tuple(f"test-{package}" for package in PACKAGES)
PYTEST = ("pytest", "--numprocesses=auto", "--dist=worksteal")
BY_FILE = "--dist=loadfile"  # where the tests of a file share a server
# for tests that mostly wait: for a process, a disk or a deadline
PYTEST_WAITING = ("pytest", f"--numprocesses={max(4, os.cpu_count() or 1)}", "--dist=worksteal")
QUICK = ("-m", "not slow")
# tests of the service whose outcome depends on how a database locks and commits
DATABASE_TESTS = [
    f"packages/pixy-service/tests/{name}"
    for name in (
        "backups/test_backup_on_servers.py",
        "creation/recovery",
        "creation/test_creation_failures.py",
        "creation/test_creator.py",
        "creation/test_idempotency.py",
    )
]
QUICK_FAULTS = ["tests/faults/test_random_kills.py", "tests/faults/test_database.py"]
DEPTRY_OPTIONS = (
    *("--package-module-name-map", "mysqlclient=MySQLdb"),
    # imported by name: by uvicorn where they are, by SQLAlchemy for a mysql URL
    *("--per-rule-ignores", "DEP002=httptools|uvloop|mysqlclient"),
)


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
    session.install(*wheels("pixy-web"), *tools("types", "nox", "browser", *TEST_GROUPS))
    for package in PACKAGES:
        session.run("mypy", f"packages/{package}/src")
    session.run("mypy", "noxfile.py", "tests/support", "tests/bench", "tests/plans")


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
    session.run(*PYTEST_WAITING, *QUICK, f"packages/{package}", *session.posargs)


@nox.session(requires=["build"], tags=["slow"], default=False)
def minimums(session: nox.Session) -> None:
    """Tests the oldest releases that the metadata admits, which nobody here runs otherwise."""
    lowest = compile_lowest(session)
    session.install("-r", lowest, *wheels("pixy-web"), *tools(*TEST_GROUPS), env=UNPINNED)
    session.run(*PYTEST_WAITING, "packages", *session.posargs)


@nox.session(requires=["build"])
def e2e(session: nox.Session) -> None:
    """Runs the installed command as its users do, and speaks nothing but HTTP to it."""
    session.install(*wheels("pixy-web"), *tools("e2e"))
    session.run(*PYTEST_WAITING, "tests/e2e", *session.posargs)


@nox.session(requires=["build"])
def mysql(session: nox.Session) -> None:
    """Repeats the tests of pixy-data and e2e on real servers, which refuse what SQLite accepts."""
    run_on_servers(session, "packages/pixy-data", "tests/e2e")


@nox.session(requires=["build"], tags=["slow"], default=False)
def mysql_service(session: nox.Session) -> None:
    """Repeats those tests of pixy-service on real servers that depend on locks and commits."""
    run_on_servers(session, *DATABASE_TESTS)


def run_on_servers(session: nox.Session, *tests: str) -> None:
    """Run tests on MariaDB, and on the MySQL server that PIXY_TEST_MYSQLD names."""
    install_from_debian(session, MYSQL_NEEDS)
    session.install(*wheels("pixy-web", extra="mysql"), *tools("test-pixy-data", "e2e"))
    for server in filter(None, [find_program("mariadbd"), MYSQLD]):
        session.run(*PYTEST_WAITING, *tests, "--mysqld", server, *session.posargs)


@nox.session(requires=["build"])
def faults(session: nox.Session) -> None:
    """Breaks disk, database, provider and process: no paid image may be lost."""
    server = install_for_faults(session)
    session.run(*PYTEST_WAITING, *QUICK, "tests/faults", *session.posargs)
    options = ("--cycles=20", f"--mysqld={server}")
    session.run(*PYTEST_WAITING, *QUICK, *QUICK_FAULTS, *options, *session.posargs)


@nox.session(requires=["build"], tags=["slow"], default=False)
def faults_slow(session: nox.Session) -> None:
    """Runs the slow faults on SQLite, then all faults and 200 random kills on a server."""
    server = install_for_faults(session)
    session.run(*PYTEST_WAITING, "-m", "slow", "tests/faults", *session.posargs)
    session.run(*PYTEST_WAITING, "tests/faults", f"--mysqld={server}", *session.posargs)


def install_for_faults(session: nox.Session) -> str:
    """Install what the tests of faults need, and return the path of the database server."""
    install_from_debian(session, MYSQL_NEEDS | {"strace": "strace"})
    session.install(*wheels("pixy-web", extra="mysql"), *tools("e2e"))
    return MYSQLD or str(find_program("mariadbd"))


@nox.session(requires=["build"])
def security(session: nox.Session) -> None:
    """Attacks the running service, alone and behind real proxies, before others do."""
    install_from_debian(session, {"nginx": "nginx", "varnish": "varnishd"})
    session.install(*wheels("pixy-web"), *tools("security"))
    session.run(*PYTEST_WAITING, BY_FILE, "tests/security", *session.posargs)


@nox.session(requires=["build"], default=False)
def flood(session: nox.Session) -> None:
    """Measures what a flood of wrong passwords does to everybody else, for docs/security.md."""
    session.install(*wheels("pixy-web"), *tools("security"))
    session.run("python", "tests/security/measure_flood.py")


@nox.session(requires=["build"])
def browser(session: nox.Session) -> None:
    """Looks at the pages with a real browser, since HTML that parses may still show nothing."""
    install_from_debian(session, {"chromium": "chromium"})
    session.install(*wheels("pixy-web"), *tools("browser"))
    session.run(*PYTEST, BY_FILE, *QUICK, "tests/browser", *session.posargs)


@nox.session(requires=["build"], tags=["slow"], default=False)
def browser_slow(session: nox.Session) -> None:
    """Runs the slow tests of the pages: thousands of pictures, odd files, partial images."""
    install_from_debian(session, {"chromium": "chromium"})
    session.install(*wheels("pixy-web"), *tools("browser"))
    session.run(*PYTEST, BY_FILE, "-m", "slow", "tests/browser", *session.posargs)


@nox.session(requires=["build"], default=False)
def trace(session: nox.Session) -> None:
    """Measures how soon the first pictures of many are there, for docs/gallery.md."""
    install_from_debian(session, {"chromium": "chromium"})
    session.install(*wheels("pixy-web"), *tools("browser"))
    session.run("python", "tests/browser/trace_first_pictures.py", env=SUPPORT)


@nox.session(requires=["build"], default=False)
def screenshots(session: nox.Session) -> None:
    """Takes the pictures of README.md and docs/gallery.md anew, so that they show what there is."""
    install_from_debian(session, {"chromium": "chromium"})
    session.install(*wheels("pixy-web"), *tools("browser"))
    session.run("python", "tests/browser/take_screenshots.py", env=SUPPORT)


@nox.session(requires=["build"], tags=["slow"], default=False)
def rehearsal(session: nox.Session) -> None:
    """Runs two rows of the benchmark with next to no load, so that it can't rot unnoticed."""
    install_from_debian(session, BENCH_NEEDS)
    session.install(*wheels("pixy-web", extra="mysql"), *tools("test", "bench"))
    session.run("pytest", "tests/bench", *session.posargs)


@nox.session(requires=["build"], default=False)
def bench(session: nox.Session) -> None:
    """Measures PixyProxy beside others: nox -s bench, or nox -s bench -- detail --rounds 1."""
    install_from_debian(session, BENCH_NEEDS)
    session.install(*wheels("pixy-web", extra="mysql"), *tools("bench"))
    program = install_apart(session, "litellm", *tools("litellm"))
    options = ["--litellm", program] if program else []
    options += ["--mysqld", MYSQLD] if MYSQLD else []
    session.run("python", "tests/bench/bench.py", *options, *session.posargs, env=SUPPORT)


@nox.session
def docs(session: nox.Session) -> None:
    """Builds the site from docs/ and stops at a broken link."""
    session.install(*tools("docs"))
    session.run("zensical", "build", "--clean", "--strict")


@nox.session(requires=["build"])
def demo(session: nox.Session) -> None:
    """Runs the demo, and every sample of README.md and docs, as their readers do."""
    install_from_debian(session, {"curl": "curl", "file": "file"})
    session.install(*wheels("pixy-web"), *tools("e2e"))
    session.run("pytest", "tests/demo", *session.posargs)
    session.run(*PYTEST_WAITING, "tests/docs", *session.posargs)


@nox.session(venv_backend="venv", requires=["build"], tags=["slow"], default=False)
def install(session: nox.Session) -> None:
    """Installs as people do: plain pip, one wheel named, its siblings from a folder."""
    session.run("pip", "install", "-q", "--find-links", DIST, wheel("pixy-web"))
    session.run("pixy", "--version")
    install_from_debian(session, MYSQL_NEEDS)
    session.run("pip", "install", "-q", *tools("test"))
    session.run("pytest", "tests/install", *session.posargs)


@nox.session(requires=["build"], default=False)
def lock(session: nox.Session) -> None:
    """Pins what the sessions install from now on, in constraints.txt, to the newest releases."""
    compile_newest(session)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Asks PyPI's advisories about every pinned release; it needs the internet."""
    session.install(*tools("audit"))
    session.run("pip-audit", "--no-deps", "--disable-pip", "--strict", "-r", CONSTRAINTS)


@nox.session(venv_backend="none", default=False)
def bump(session: nox.Session) -> None:
    """Sets the one version that all packages share: nox -s bump -- 0.2.0."""
    if len(session.posargs) != 1:
        session.error("which version? nox -s bump -- 0.2.0")
    version = session.posargs[0]
    for path in ROOT.glob("packages/*/pyproject.toml"):
        text = re.sub(r'(?m)^version = ".*"', f'version = "{version}"', path.read_text())
        path.write_text(re.sub(r'"(pixy-[^"=]+)==[^"]+"', rf'"\1=={version}"', text))
