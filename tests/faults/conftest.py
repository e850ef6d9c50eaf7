"""Fixtures: deployments to break, whose invariants are checked after each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bucket_deployment import BucketDeployment
from deployment import Deployment
from invariants import settle
from provider import Provider
from s3_server import SeaweedFS

if TYPE_CHECKING:
    from mysql_server import MySQLServer

Deploy = Callable[..., Deployment]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker for rows of docs/reliability.md."""
    config.addinivalue_line("markers", "fault(number): the row of docs/reliability.md")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the random harness."""
    parser.addoption("--cycles", type=int, default=200, help="kills of the random harness")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the random harness."""
    for report in terminalreporter.getreports("passed"):
        for name, figures in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(str(figures))


@pytest.fixture(scope="module")
def database_url(
    _mysql_server: "MySQLServer | None", tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The URL of a new, empty database for the tests of a module."""
    if _mysql_server is None:
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/pixy.sqlite3"
    return _mysql_server.create_database()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def shared_deployment(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, provider: Provider
) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("deployment"), database_url, provider, {})
    deployment.pixy.add_user("ada")
    yield deployment
    deployment.pixy.kill()


@pytest.fixture
def deployment(shared_deployment: Deployment) -> Iterator[Deployment]:
    """A running deployment; every invariant must hold after the test."""
    if not shared_deployment.pixy.is_running:
        shared_deployment.pixy.start()
    yield shared_deployment
    settle(shared_deployment)


@pytest.fixture
def deploy(
    tmp_path: Path,
    _mysql_server: "MySQLServer | None",
    database_url: str,
    provider: Provider,
) -> Iterator[Deploy]:
    """Make another deployment with its own database and settings; it is not started."""
    made: list[Deployment] = []

    def make(url: str | None = None, **settings: str) -> Deployment:
        if url is None:
            is_sqlite = _mysql_server is None
            url = f"sqlite:///{tmp_path}/x" if is_sqlite else _mysql_server.create_database()
        deployment = Deployment(tmp_path, url, provider, settings)
        deployment.pixy.add_user("ada")
        made.append(deployment)
        return deployment

    yield make
    try:
        for deployment in made:
            settle(deployment)
    finally:
        for deployment in made:
            deployment.pixy.kill()


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with SeaweedFS(tmp_path_factory.mktemp("seaweedfs")) as server:
        server.make_bucket("pixy")
        yield server


@pytest.fixture
def deploy_on_bucket(
    tmp_path_factory: pytest.TempPathFactory,
    _mysql_server: "MySQLServer | None",
    provider: Provider,
    s3_server: SeaweedFS,
) -> Iterator[Callable[..., BucketDeployment]]:
    """Like `deploy`, with the images in a bucket, which is checked, too."""
    made: list[BucketDeployment] = []
    with ExitStack() as running:

        def make(**settings: str) -> BucketDeployment:
            folder = tmp_path_factory.mktemp("bucket")
            is_sqlite = _mysql_server is None
            url = f"sqlite:///{folder}/x" if is_sqlite else _mysql_server.create_database()
            deployment = BucketDeployment(folder, url, provider, s3_server, settings)
            running.enter_context(deployment.faults)
            running.callback(deployment.pixy.kill)
            deployment.pixy.add_user("ada")
            made.append(deployment)
            return deployment

        yield make
        for deployment in made:
            deployment.faults.choose = lambda _: None
            settle(deployment)
            check_entries(deployment)


def check_entries(deployment: BucketDeployment) -> None:
    """Check that an entry without an image belongs to nothing that was promised."""
    rows, statuses = deployment.rows(), deployment.creations()
    for guid in deployment.entries():
        assert guid not in rows, f"the entry of {guid} is still there"
        assert statuses.get(guid, "failed") in {"failed", "unknown"}
