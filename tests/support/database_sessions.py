"""Sessions of a database's own driver; nothing here imports PixyProxy."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit


@contextlib.contextmanager
def connect(url: str) -> Iterator[Any]:
    """Open a session with the driver's transactions."""
    if url.startswith("sqlite:///"):
        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
    else:
        import MySQLdb  # noqa: PLC0415 - not installed where only SQLite is tested

        parts = urlsplit(url)
        connection = MySQLdb.connect(
            host="127.0.0.1",
            port=parts.port,
            user=parts.username,
            password=parts.password,
            database=parts.path[1:],
            charset="utf8mb4",
        )
    with contextlib.closing(connection):
        yield connection
