"""Tables for new databases: copies of the first ones, which the migrations made.

The migrations take longer than most tests, and far longer on a server.
"""

import functools
import tempfile
from pathlib import Path
from typing import Any

from database_sessions import connect
from pixy_data import open_database

_Step = tuple[str, list[tuple[Any, ...]]]

_steps: list[_Step] = []
"""Statements and the rows of each; empty until the migrations have run on a server."""


def create_tables(url: str) -> None:
    """Create the tables of this version in a new database; leave one that has tables as it is.

    Args:
        url: `sqlite:///path` or `mysql://user:password@host:port/name`.
    """
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(_migrated_file())
    elif _has_tables(url):
        return  # a server that uses them has also written rows, so they are no model for others
    elif _steps:
        _follow_steps(url)
    else:
        open_database(url).close()
        _steps.extend(_describe(url))


@functools.cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pixy.sqlite3")
        open_database(f"sqlite:///{path}").close()
        return path.read_bytes()


def _has_tables(url: str) -> bool:
    with connect(url) as connection:
        return bool(connection.cursor().execute("SHOW TABLES"))


def _describe(url: str) -> list[_Step]:
    with connect(url) as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW TABLES")
        steps: list[_Step] = [("SET foreign_key_checks = 0", [])]
        for (table,) in cursor.fetchall():
            cursor.execute(f"SHOW CREATE TABLE {table}")
            steps.append((cursor.fetchone()[1], []))
            cursor.execute(f"SELECT * FROM {table}")
            if rows := list(cursor.fetchall()):
                places = ", ".join(["%s"] * len(rows[0]))
                steps.append((f"INSERT INTO {table} VALUES ({places})", rows))
        return steps


def _follow_steps(url: str) -> None:
    with connect(url) as connection:
        cursor = connection.cursor()
        for statement, rows in _steps:
            if rows:
                cursor.executemany(statement, rows)
            else:
                cursor.execute(statement)
        connection.commit()
