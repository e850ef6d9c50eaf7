"""Fixtures: fleets to break; the option of their tests, and the figures they print."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from fleet import Fleet
from provider import Provider
from s3_faults import S3Faults
from s3_server import S3Server, SeaweedFS
from shared_contents import CONTENTS

if TYPE_CHECKING:
    from mysql_server import MySQLServer

Build = Callable[..., Fleet]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker for rows of docs/reliability.md."""
    config.addinivalue_line("markers", "fault(number): the row of docs/reliability.md")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the random kills."""
    with contextlib.suppress(ValueError):  # tests/faults has it too
        parser.addoption("--cycles", type=int, default=200, help="kills of the random harness")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the runs."""
    for report in terminalreporter.getreports("passed"):
        for name, figures in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(str(figures))


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Start an S3 server with the bucket `pixy`."""
    with SeaweedFS(tmp_path_factory.mktemp("s3")) as server:
        server.make_bucket("pixy")
        yield server


@pytest.fixture
def proxy(server: S3Server) -> Iterator[S3Faults]:
    """Start a proxy before it."""
    with S3Faults(server.port) as faults:
        yield faults


@pytest.fixture(scope="module", params=CONTENTS)
def build(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _mysql_server: "MySQLServer | None",
    provider: Provider,
) -> Iterator[Build]:
    """Start fleets on a kind of store, each with its own database; skips without `--mysqld`."""
    if _mysql_server is None:
        pytest.skip("a fleet needs a database server: --mysqld PATH")
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> Fleet:
            folder = tmp_path_factory.mktemp("fleet")
            content = CONTENTS[request.param](folder / "content")
            stack.callback(content.close)
            fleet = Fleet(folder, _mysql_server.create_database(), provider, content, **options)
            stack.callback(fleet.close)
            # the provider is that of the fleets before, too
            provider.purchases.clear()
            fleet.start()
            return fleet

        yield start
