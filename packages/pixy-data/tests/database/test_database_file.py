"""The files of an SQLite database that are replaced while a process has them open."""

import logging
from pathlib import Path

import pytest

from pixy_core import DBConnectionError
from pixy_data import Database, open_database, run_transaction

INSERT = "INSERT INTO secrets (name, value) VALUES (:name, '0')"
COUNT = "SELECT COUNT(*) FROM secrets WHERE value = '0'"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.sqlite3"


@pytest.fixture
def database(path: Path) -> Database:
    return open_database(f"sqlite:///{path}")


def insert(database: Database, name: str) -> None:
    run_transaction(database, lambda: database.execute(INSERT, {"name": name}))


def close_connections(database: Database) -> None:
    database.runner.discard(database.runner.acquire())


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_nothing_is_written_until_the_file_is_back(
    database: Database, path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    insert(database, "before")
    file = Path(f"{path}{ending}")
    file.rename(f"{file}.away")
    for _ in range(2):
        with pytest.raises(DBConnectionError):
            insert(database, "meanwhile")
    assert not file.exists()
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
    Path(f"{file}.away").rename(file)
    insert(database, "after")
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL, logging.WARNING]
    database.close()


def test_a_log_that_the_last_connection_removed_is_not_a_replaced_file(
    database: Database, path: Path
) -> None:
    insert(database, "first")
    close_connections(database)
    assert not Path(f"{path}-wal").exists()
    insert(database, "second")
    insert(database, "third")
    database.close()


def test_a_file_that_is_not_open_may_be_replaced(database: Database, path: Path) -> None:
    open_database(f"sqlite:///{path}.new").close()
    insert(database, "in the old one")
    close_connections(database)
    Path(f"{path}.new").replace(path)
    assert database.fetch_one(COUNT, {}) == (0,)
    database.close()


def test_a_link_to_the_file_is_followed(database: Database, path: Path, tmp_path: Path) -> None:
    insert(database, "first")
    (tmp_path / "link").symlink_to(path)
    linked = open_database(f"sqlite:///{tmp_path}/link")
    insert(linked, "second")
    insert(linked, "third")
    (tmp_path / "link").unlink()
    with pytest.raises(DBConnectionError):
        insert(linked, "fourth")
    linked.close()
    database.close()
