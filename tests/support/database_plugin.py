"""The pytest plugin that says which database tests run on: `-p database_plugin`.

Without `--mysqld` it is SQLite. With `--mysqld PATH` it is a server of that program, started for
the run and stopped after it, and only tests that touch a database are run.
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
    """Keep only what touches a database, when one was asked for."""
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
    # its own needs, mysqlclient and trustme, are not there in every run on SQLite
    from mysql_server import MySQLServer  # noqa: PLC0415

    server = MySQLServer(mysqld, tmp_path_factory.mktemp("mysqld"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def mysql_server(_mysql_server: MySQLServer | None) -> MySQLServer:
    """A running server, for what only a server can show; skips without `--mysqld`."""
    if _mysql_server is None:
        pytest.skip("only a server can show this: --mysqld PATH")
    return _mysql_server


@pytest.fixture
def database_url(_mysql_server: MySQLServer | None, tmp_path: Path) -> str:
    """The URL of a new, empty database."""
    if _mysql_server is None:
        return f"sqlite:///{tmp_path / 'data' / 'pixy.db'}"
    return _mysql_server.create_database()
