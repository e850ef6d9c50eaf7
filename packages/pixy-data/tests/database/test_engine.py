"""Database URLs: which are valid, and the errors for the others."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from pixy_core import ConfigurationError
from pixy_data import Database, open_database
from pixy_data.database.engine import parse_url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "pixy.db",
        "://",
        "mysql://host:notaport/name",
        "postgresql://user:hunter2@host/name",
        "mysql+pymysql://user:hunter2@host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://host/pixy.db",
        "sqlite:///pixy.db?mode=ro",
        "mysql://user:hunter2@host",
        "mysql:///name",
        "mysql://user:hunter2@host/name?charset=latin1",
        "mysql://user:hunter2@host/name?init_command=x",
        "mysql://user:a@hunter2@host/name",
        "mysql://user:@hunter2@host/name",
        "mysql://user:hunter2@host/name?ssl_mode=on",
        "mysql://user:hunter2@host/name?ssl_ca=a&ssl_ca=b",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("scheme", ["mysql", "mysql+mysqldb"])
def test_both_names_of_mysql_mean_mysqlclient(scheme: str) -> None:
    assert parse_url(f"{scheme}://u:p@h:1/n").drivername == "mysql+mysqldb"


def test_sqlite_is_durable_and_keeps_references(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/pixy.db")
    assert database.fetch_one("PRAGMA foreign_keys", {}) == (1,)
    assert database.fetch_one("PRAGMA synchronous", {}) == (2,)
    assert database.fetch_one("PRAGMA journal_mode", {}) == ("wal",)
    database.close()


def test_a_new_sqlite_file_that_another_process_writes_to_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pixy.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        # SQLite refuses at once to change the journal mode then, whatever its timeout is
        other.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.3, other.execute, ["ROLLBACK"])
        end.start()
        database = open_database(f"sqlite:///{path}")
        end.join()
    assert database.fetch_one("PRAGMA journal_mode", {}) == ("wal",)
    database.close()
