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
    GALERA_NEEDS,
    MYSQL_NEEDS,
    PACKAGES,
    ROOT,
    UNPINNED,
    find_program,
    install_alone,
    install_apart,
    install_applications,
    install_clients,
    install_from_debian,
    remove_local_paths,
    renew_viewer,
    tools,
    wheel,
    wheels,
)

nox.needs_version = ">=2026.7"
nox.options.default_venv_backend = "uv"
nox.options.error_on_external_run = True
nox.options.download_python = "never"  # `pythons` skips what this machine lacks

# needed behind a company's proxy: only the system's store has its certificate
os.environ["UV_SYSTEM_CERTS"] = "1"
# a new release must not make an unrelated change fail; `nox -s lock` moves the pins
os.environ["UV_CONSTRAINT"] = str(CONSTRAINTS)
MYSQLD = os.environ.get("PIXY_TEST_MYSQLD")
# the sessions start hundreds of processes, and each would compile its imports
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# sessions must find packages through their wheels only, and no settings of the developer
for name in [n for n in os.environ if n.startswith(("PIXY_", "OPENAI_", "PYTHONPATH"))]:
    del os.environ[name]

SUPPORT = {"PYTHONPATH": str(ROOT / "tests" / "support")}
TEST_GROUPS = tuple(f"test-{package}" for package in PACKAGES)
PYTEST = ("pytest", "--numprocesses=auto", "--dist=worksteal")
BY_FILE = "--dist=loadfile"  # where the tests of a file share a server
# for tests that mostly wait for a process, a disk or a deadline
PYTEST_WAITING = ("pytest", f"--numprocesses={max(4, os.cpu_count() or 1)}", "--dist=worksteal")
QUICK = ("-m", "not slow")
SERVER_TESTS = [
    "packages/pixy-data",
    "tests/e2e",
    "tests/faults/test_database.py",
    "tests/metrics/test_faults.py::test_the_database_is_down_at_the_start_and_goes_away_and_hangs_later",
]
# tests of the service whose outcome depends on how a database locks and commits
DATABASE_TESTS = [
    f"packages/pixy-service/tests/{name}"
    for name in (
        "backups/test_backup_on_servers.py",
        "moving",
        "creation/recovery",
        "creation/test_creation_failures.py",
        "creation/test_creator.py",
        "creation/test_idempotency.py",
        "creation/test_random_retries.py",
        "creation/test_retries.py",
    )
]
DEPTRY_OPTIONS = (
    *("--package-module-name-map", "mysqlclient=MySQLdb,backports-zstd=backports"),
    # uvicorn imports httptools and uvloop by name, SQLAlchemy imports mysqlclient; what is imported
    # as `opentelemetry` is in several packages; `compression` is in Python's library from 3.14 on
    "--per-rule-ignores",
    (
        "DEP001=compression,"
        "DEP002=httptools|uvloop|mysqlclient|opentelemetry-sdk|opentelemetry-exporter-otlp-proto-http"
    ),
)


@nox.session
def lint(session: nox.Session) -> None:
    """Finds mistakes and checks the format, so that reviews don't have to."""
    session.install(*tools("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(venv_backend="none")
def build(session: nox.Session) -> None:
    """Builds the wheels to publish, each from its sdist; the other sessions test these files."""
    shutil.rmtree(DIST, ignore_errors=True)
    for package in PACKAGES:
        session.run("uv", "build", "-q", "--out-dir", DIST, ROOT / "packages" / package)


@nox.session(requires=["build"])
def types(session: nox.Session) -> None:
    """Checks each package's types against the wheels of its siblings, as users of them do."""
    session.install(*wheels("pixy-web"), *tools("types", "nox", "browser", *TEST_GROUPS))
    for package in PACKAGES:
        session.run("mypy", f"packages/{package}/src")
    session.run("mypy", "noxfile.py", "tests/support", "tests/bench", "tests/plans")


@nox.session(requires=["build"])
def contract(session: nox.Session) -> None:
    """Checks that each layer imports only what the design allows and its metadata declares."""
    session.install(*wheels("pixy-web"), *tools("contract"))
    sources = os.pathsep.join(str(ROOT / "packages" / package / "src") for package in PACKAGES)
    session.run("lint-imports", env={"PYTHONPATH": sources})
    for package in PACKAGES:
        with session.chdir(ROOT / "packages" / package):
            session.run("deptry", *DEPTRY_OPTIONS, "src")


@nox.session(requires=["build"])
def conventions(session: nox.Session) -> None:
    """Checks rules for the sources, the documentation and the wheels that no tool checks."""
    session.install("nox", *tools("test"))
    session.run("pytest", "tests/conventions", *session.posargs)


@nox.session(requires=["build"])
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def tests(session: nox.Session, package: str) -> None:
    """Tests one wheel with only its own dependencies, to find one that is not declared."""
    session.install(*wheels(package), *tools(f"test-{package}"))
    session.run(*PYTEST_WAITING, *QUICK, f"packages/{package}", *session.posargs)


@nox.session(requires=["build"], tags=["slow"], default=False)
def minimums(session: nox.Session) -> None:
    """Tests the oldest releases that the metadata allows, which no other session runs."""
    lowest = compile_lowest(session)
    session.install("-r", lowest, *wheels("pixy-web"), *tools(*TEST_GROUPS), env=UNPINNED)
    session.run(*PYTEST_WAITING, "packages", *session.posargs)


@nox.session(requires=["build"])
def e2e(session: nox.Session) -> None:
    """Runs the installed command as users do, and talks to it over HTTP only."""
    session.install(*wheels("pixy-web"), *tools("e2e"))
    session.run(*PYTEST_WAITING, "tests/e2e", *session.posargs)


@nox.session(requires=["build"])
def clients(session: nox.Session) -> None:
    """Runs the two SDKs of OpenAI, unchanged, against the installed command."""
    session.install(*wheels("pixy-web"), *tools("e2e"))
    folder = {"PIXY_TEST_CLIENTS": str(install_clients(session))}
    session.run(*PYTEST_WAITING, BY_FILE, *QUICK, "tests/clients", *session.posargs, env=folder)


@nox.session(requires=["build"], tags=["slow"], default=False)
def clients_slow(session: nox.Session) -> None:
    """Runs the other stock clients, Open WebUI's router and n8n's node, and what waits."""
    session.install(*wheels("pixy-web"), *tools("e2e"))
    folder = install_clients(session)
    install_applications(session, folder)
    slow = (*PYTEST_WAITING, BY_FILE, "-m", "slow", "tests/clients")
    session.run(*slow, *session.posargs, env={"PIXY_TEST_CLIENTS": str(folder)})


@nox.session(requires=["build"])
def mysql(session: nox.Session) -> None:
    """Repeats on a real server, which is stricter than SQLite, what depends on the database."""
    server, *_ = install_servers(session)
    run_on(session, server, *SERVER_TESTS)


@nox.session(requires=["build"], tags=["slow"], default=False)
def mysql_slow(session: nox.Session) -> None:
    """Repeats on MySQL and MariaDB what `mysql` left out, and what depends on locks and commits."""
    first, *others = install_servers(session)
    for server in others:
        run_on(session, server, *SERVER_TESTS)
    for server in (first, *others):
        run_on(session, server, *DATABASE_TESTS, "-k", "not ten_thousand")


def install_servers(session: nox.Session) -> list[str]:
    """Install database servers; return their programs: PIXY_TEST_MYSQLD first, if it is set."""
    install_from_debian(session, MYSQL_NEEDS)
    session.install(*wheels("pixy-web", extra="mysql,metrics"), *tools("test-pixy-data", "e2e"))
    return [str(server) for server in (MYSQLD, find_program("mariadbd")) if server]


def run_on(session: nox.Session, server: str, *tests: str) -> None:
    """Run tests on the server with this program."""
    session.run(*PYTEST_WAITING, *tests, "--mysqld", server, *session.posargs)


@nox.session(requires=["build"])
def faults(session: nox.Session) -> None:
    """Breaks disk, store, provider and process, because no paid image may be lost."""
    install_for_faults(session)
    session.run(*PYTEST_WAITING, *QUICK, "tests/faults", *session.posargs)


@nox.session(requires=["build"], tags=["slow"], default=False)
def faults_slow(session: nox.Session) -> None:
    """Runs the slow faults and 100 random kills on SQLite, then all faults and 200 on a server."""
    server = install_for_faults(session, GALERA_NEEDS)
    session.run(*PYTEST_WAITING, "-m", "slow", "tests/faults", "--cycles=100", *session.posargs)
    session.run(*PYTEST_WAITING, "tests/faults", f"--mysqld={server}", *session.posargs)


def install_for_faults(session: nox.Session, more: dict[str, str] | None = None) -> str:
    """Install the programs that the fault tests need; return the path of the database server."""
    install_from_debian(session, MYSQL_NEEDS | {"strace": "strace"} | (more or {}))
    session.install(*wheels("pixy-web", extra="mysql,s3"), *tools("e2e", "s3"))
    return MYSQLD or str(find_program("mariadbd"))


@nox.session(requires=["build"], tags=["slow"], default=False)
def fleet(session: nox.Session) -> None:
    """Runs several servers on one database and one store, and kills its parts 200 times."""
    install_from_debian(session, MYSQL_NEEDS | {"nginx": "nginx"})
    session.install(*wheels("pixy-web", extra="mysql,s3"), *tools("fleet"))
    server = MYSQLD or str(find_program("mariadbd"))
    session.run(*PYTEST_WAITING, "tests/fleet", f"--mysqld={server}", *session.posargs)
    on_sqlite = (*PYTEST_WAITING, BY_FILE, *QUICK, "tests/fleet")
    # 5: what the posargs select needs a server
    session.run(*on_sqlite, *session.posargs, success_codes=[0, 5])


@nox.session(requires=["build"])
def deploy(session: nox.Session) -> None:
    """Runs what deploy/ has, the unit, the compose files and the image, without containers."""
    install_for_deploy(session)
    session.run(*PYTEST_WAITING, BY_FILE, *QUICK, "tests/deploy", *session.posargs)


@nox.session(requires=["build"], tags=["slow"], default=False)
def deploy_slow(session: nox.Session) -> None:
    """Builds the image in a folder, step by step, and runs it; compares system calls."""
    install_for_deploy(session)
    install_from_debian(session, {"debootstrap": "debootstrap", "strace": "strace"})
    session.run("pytest", "-m", "slow", "tests/deploy", *session.posargs)


def install_for_deploy(session: nox.Session) -> None:
    """Install what reads the files of deploy/."""
    install_from_debian(session, {"nginx": "nginx", "systemd": "systemd-analyze"})
    session.install(*wheels("pixy-web"), *tools("deploy"))


@nox.session(requires=["build"], tags=["slow"], default=False)
def tracing(session: nox.Session) -> None:
    """Receives the traces of the installed command over OTLP, and reads what they hold."""
    session.install(*wheels("pixy-web", extra="otel"), *tools("tracing"))
    session.run(*PYTEST_WAITING, BY_FILE, "tests/tracing", *session.posargs)


@nox.session(requires=["build"], tags=["slow"], default=False)
def metrics(session: nox.Session) -> None:
    """Scrapes the metrics of the installed command; `mysql` does it while a database is away."""
    session.install(*wheels("pixy-web", extra="metrics"), *tools("e2e"))
    session.run(*PYTEST_WAITING, BY_FILE, "tests/metrics", *session.posargs)


@nox.session(requires=["build"])
def security(session: nox.Session) -> None:
    """Attacks the running service, alone and behind real proxies, to find holes first."""
    install_from_debian(session, {"nginx": "nginx", "varnish": "varnishd"})
    session.install(*wheels("pixy-web"), *tools("security"))
    session.run(*PYTEST_WAITING, BY_FILE, "tests/security", *session.posargs)


@nox.session(requires=["build"], default=False)
def flood(session: nox.Session) -> None:
    """Measures how a flood of wrong passwords delays other users, for docs/security.md."""
    session.install(*wheels("pixy-web"), *tools("security"))
    session.run("python", "tests/security/measure_flood.py")


@nox.session(requires=["build"])
def browser(session: nox.Session) -> None:
    """Tests the gallery in a real browser, because valid HTML may still show nothing."""
    install_from_debian(session, {"chromium": "chromium"})
    session.install(*wheels("pixy-web"), *tools("browser"))
    session.run(*PYTEST, BY_FILE, *QUICK, "tests/browser", *session.posargs)


@nox.session(requires=["build"], tags=["slow"], default=False)
def browser_slow(session: nox.Session) -> None:
    """Runs the other tests of the gallery: variants, many pictures, odd files, partial images."""
    install_from_debian(session, {"chromium": "chromium"})
    session.install(*wheels("pixy-web"), *tools("browser"))
    session.run(*PYTEST, BY_FILE, "-m", "slow", "tests/browser", *session.posargs)


@nox.session(requires=["build"], default=False)
def trace(session: nox.Session) -> None:
    """Measures when the first pictures of a large gallery are shown, for docs/gallery.md."""
    install_from_debian(session, {"chromium": "chromium"})
    session.install(*wheels("pixy-web"), *tools("browser"))
    session.run("python", "tests/browser/trace_first_pictures.py", env=SUPPORT)


@nox.session(requires=["build"], default=False)
def screenshots(session: nox.Session) -> None:
    """Takes the screenshots of README.md and docs/gallery.md again, to keep them up to date."""
    install_from_debian(session, {"chromium": "chromium"})
    session.install(*wheels("pixy-web"), *tools("browser"))
    session.run("python", "tests/browser/take_screenshots.py", env=SUPPORT)


@nox.session(requires=["build"], tags=["slow"], default=False)
def prometheus(session: nox.Session) -> None:
    """Lets a real Prometheus read real servers: each alert fires, each panel has data."""
    install_from_debian(session, {"prometheus": "prometheus"})
    session.install(*wheels("pixy-web", extra="metrics"), *tools("prometheus"))
    session.run(*PYTEST_WAITING, BY_FILE, "tests/prometheus", *session.posargs)


@nox.session(requires=["build"], default=False)
def dashboard(session: nox.Session) -> None:
    """Draws the picture of docs/alerts.md again: nox -s dashboard -- --minutes 10."""
    install_from_debian(session, {"prometheus": "prometheus"})
    session.install(*wheels("pixy-web", extra="metrics"), *tools("dashboard"))
    script = "tests/prometheus/draw_dashboard.py"
    session.run("python", script, *session.posargs, env=SUPPORT)


@nox.session(requires=["build"], tags=["slow"], default=False)
def rehearsal(session: nox.Session) -> None:
    """Runs some rows of the benchmark with little load, to check that it still works."""
    install_from_debian(session, BENCH_NEEDS)
    session.install(*wheels("pixy-web", extra="mysql,s3"), *tools("test", "bench"))
    session.run("pytest", "tests/bench", *session.posargs)


@nox.session(requires=["build"], default=False)
def bench(session: nox.Session) -> None:
    """Compares PixyProxy with other servers: nox -s bench, or nox -s bench -- detail --rounds 1."""
    install_from_debian(session, BENCH_NEEDS)
    session.install(*wheels("pixy-web", extra="mysql,s3,metrics"), *tools("bench"))
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
    """Runs the demo, and every sample of README.md and docs, as readers do."""
    install_from_debian(session, {"curl": "curl", "file": "file"})
    session.install(*wheels("pixy-web"), *tools("e2e"))
    session.run(*PYTEST_WAITING, "tests/demo", "tests/docs", *session.posargs)


@nox.session(venv_backend="venv", requires=["build"], tags=["slow"], default=False)
def install(session: nox.Session) -> None:
    """Installs as users do: plain pip, one named wheel, its siblings from a folder."""
    session.run("pip", "install", "-q", "--find-links", DIST, wheel("pixy-web"))
    session.run("pixy", "--version")
    install_from_debian(session, MYSQL_NEEDS)
    session.run("pip", "install", "-q", *tools("test"))
    session.run("pytest", "tests/install", *session.posargs)


@nox.session(requires=["build"])
def release_check(session: nox.Session) -> None:
    """Checks what would be published; nox -s release_check -- --tag v0.1.0 checks a release."""
    session.install(*tools("release"))
    session.run("pytest", "tests/release", *session.posargs)


@nox.session(requires=["build"], default=False)
def sbom(session: nox.Session) -> None:
    """Writes the list of all packages that an installation has to sbom/, as CycloneDX."""
    installed = install_alone(session, "pixy", *wheels("pixy-web", extra="mysql,s3,otel,metrics"))
    session.install(*tools("release"))
    listed = ROOT / "sbom" / "pixy-web.cdx.json"
    listed.parent.mkdir(exist_ok=True)
    options = ("--of=JSON", "--output-reproducible", f"--output-file={listed}")
    pyproject = f"--pyproject={ROOT / 'packages/pixy-web/pyproject.toml'}"
    session.run("cyclonedx-py", "environment", *options, pyproject, installed)
    remove_local_paths(listed)


@nox.session(requires=["build"], default=False)
@nox.parametrize("python", ["3.12", "3.13", "3.14"])
@nox.parametrize("package", PACKAGES, ids=PACKAGES)
def pythons(session: nox.Session, package: str) -> None:
    """Tests one wheel on the newer Pythons of this machine; skips those that it lacks."""
    session.install(*wheels(package), *tools(f"test-{package}"))
    session.run(*PYTEST_WAITING, *QUICK, f"packages/{package}", *session.posargs)


@nox.session(requires=["build"], default=False)
def lock(session: nox.Session) -> None:
    """Pins all packages of the sessions in constraints.txt to their newest releases."""
    compile_newest(session)


@nox.session(venv_backend="none", default=False)
def viewer(session: nox.Session) -> None:
    """Renews Swagger UI in the wheel of pixy-web from npm: nox -s viewer -- 5.35.0."""
    if len(session.posargs) != 1:
        session.error("which version? nox -s viewer -- 5.35.0")
    renew_viewer(session, session.posargs[0])


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Checks every pinned release against PyPI's advisories; needs the internet."""
    session.install(*tools("audit"))
    session.run("pip-audit", "--no-deps", "--disable-pip", "--strict", "-r", CONSTRAINTS)


@nox.session(venv_backend="none", default=False)
def bump(session: nox.Session) -> None:
    """Sets the version of all packages: nox -s bump -- 0.2.0."""
    if len(session.posargs) != 1:
        session.error("which version? nox -s bump -- 0.2.0")
    version = session.posargs[0]
    for path in ROOT.glob("packages/*/pyproject.toml"):
        text = re.sub(r'(?m)^version = ".*"', f'version = "{version}"', path.read_text())
        path.write_text(re.sub(r'"(pixy-[^"=]+)==[^"]+"', rf'"\1=={version}"', text))
