"""An installation that images move from or to: its commands, rows and files, seen from outside."""

import datetime
import hashlib
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from database_sessions import connect
from installed_pixy import InstalledPixy
from new_databases import create_tables
from s3_server import S3Server

_TABLES = {
    "users": ("username", {"password"}),
    "images": ("guid", {"id"}),
    "image_sources": ("image, position", set[str]()),
    "image_words": ("scope, word, moment, guid", {"image_id"}),
}
"""What an archive has: the order of the rows, and columns that mean nothing elsewhere."""


class Installation:
    """A database and a place of images.

    Attributes:
        pixy: The command.
        data: The data folder.

    Args:
        folder: A new working directory.
        database_url: An empty database.
        server: The S3 server that has the images; None: they are files.
        endpoint: The address under which the server is reached, if it is another one.
        settings: More settings, by the names of their variables.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        server: S3Server | None = None,
        endpoint: str | None = None,
        **settings: str,
    ) -> None:
        folder.mkdir(parents=True)
        self.url, self.data = database_url, folder / "data"
        self._server, self._prefix = server, str(uuid.uuid4())
        bucket = {}
        if server is not None:
            bucket = {
                "PIXY_CONTENT": f"s3://pixy/{self._prefix}",
                "AWS_ENDPOINT_URL": endpoint or server.url,
                "AWS_ACCESS_KEY_ID": server.access_key,
                "AWS_SECRET_ACCESS_KEY": server.secret_key,
                "AWS_REGION": "us-east-1",
            }
        environment = {"PIXY_GENERATOR": "sketch"} | bucket | settings
        environment |= {"PIXY_DATABASE_URL": database_url, "PIXY_DATA_DIR": str(self.data)}
        self.pixy = InstalledPixy(folder, **environment)
        create_tables(database_url)

    def files(self) -> dict[str, bytes]:
        """Return the image files or objects by name."""
        if self._server is None:
            paths = (self.data / "images").glob("[0-9a-f][0-9a-f]/*")
            return {path.name: path.read_bytes() for path in paths}
        client = self._server.client
        keys = client.list_objects("pixy", f"{self._prefix}/images/")
        return {key.rpartition("/")[2]: client.request("GET", f"/pixy/{key}").body for key in keys}

    def count_files(self) -> int:
        """Return the number of image files."""
        return len(list((self.data / "images").glob("[0-9a-f][0-9a-f]/*")))

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row that an archive has, with times as text."""
        with connect(self.url) as connection:
            return {table: _read(connection, table) for table in _TABLES}

    def list_in_order(self) -> list[tuple[str, str]]:
        """Return the owner and guid of each image, in the order of their rows for each owner."""
        with connect(self.url) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT owner, guid FROM images ORDER BY owner, id")
            return [tuple(row) for row in cursor.fetchall()]

    def compare(self) -> None:
        """Compare rows and files.

        Raises:
            AssertionError: They differ.
        """
        rows = {row["filename"]: row["sha256"] for row in self.dump()["images"]}
        hashes = {
            name: hashlib.sha256(content).hexdigest() for name, content in self.files().items()
        }
        assert rows == hashes

    def check(self) -> None:
        """Like `compare`, also by the command."""
        self.compare()
        assert "Problems left: 0." in self.pixy.run("check", "--deep")

    def kill_when(self, is_so: Callable[[], bool], *arguments: str) -> bool:
        """Run a command, and kill it when something is so; return False if it ended before."""
        process = self.pixy.run_in_background(*arguments)
        with process:
            while process.poll() is None and not is_so():
                time.sleep(0.0005)
            process.kill()
            output, error = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), output + error
        return process.returncode != 0

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return self.pixy.run_in_background(*arguments)


def _read(connection: Any, table: str) -> list[dict[str, Any]]:
    order, hidden = _TABLES[table]
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {table} ORDER BY {order}")
    names = [column[0] for column in cursor.description]
    return [
        {name: _write(value) for name, value in zip(names, row, strict=True) if name not in hidden}
        for row in cursor.fetchall()
    ]


def _write(value: object) -> object:
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "microseconds")
    return value
