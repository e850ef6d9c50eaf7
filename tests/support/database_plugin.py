"""The pytest plugin that selects the database of the tests: `-p database_plugin`.

Without `--mysqld` it is SQLite. With `--mysqld PATH` the plugin starts that server for the run,
and runs only tests that use a database.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mysql_server import MySQLServer

_DATABASE_FIXTURES = {"database_url", "mysql_server"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--mysqld", type=Path, metavar="PATH", help="run on this MySQL or MariaDB server program"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--mysqld`, keep only tests that use a database."""
    if config.getoption("mysqld") is None:
        return
    other = [
        item for item in items if not _DATABASE_FIXTURES & set(getattr(item, "fixturenames", ()))
    ]
    config.hook.pytest_deselected(items=other)
    items[:] = [item for item in items if item not in other]


@pytest.fixture(scope="session")
def _mysql_server(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MySQLServer | None]:
    mysqld = pytestconfig.getoption("mysqld")
    if mysqld is None:
        yield None
        return
    # imported here because mysqlclient and trustme may be missing in runs on SQLite
    from mysql_server import MySQLServer  # noqa: PLC0415

    server = MySQLServer(mysqld, tmp_path_factory.mktemp("mysqld"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def mysql_server(_mysql_server: MySQLServer | None) -> MySQLServer:
    """A running server, for tests that SQLite can't run; skips without `--mysqld`."""
    if _mysql_server is None:
        pytest.skip("only a server can show this: --mysqld PATH")
    return _mysql_server


@pytest.fixture
def database_url(_mysql_server: MySQLServer | None, tmp_path: Path) -> str:
    """The URL of a new, empty database."""
    if _mysql_server is None:
        return f"sqlite:///{tmp_path / 'data' / 'pixy.db'}"
    return _mysql_server.create_database()
