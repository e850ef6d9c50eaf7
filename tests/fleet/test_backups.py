"""docs/backup.md on a database server: what was stored before a backup is there after a restore."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from database_sessions import connect
from markdown_pages import PageRun, Sample
from new_users import add_users
from s3_server import S3Server

if TYPE_CHECKING:
    from mysql_server import MySQLServer

PASSWORD = "long enough"
PAGE = Path(__file__).parents[2] / "docs/backup.md"

# a test is not root. The page names MariaDB's programs; MySQL's take the same options
PRELUDE = """
sudo() {{ shift; {client} --no-defaults --socket={socket} --user=root "$@"; }}
mariadb-dump() {{ {dump} "$@"; }}
"""


def find_programs(server: "MySQLServer") -> tuple[str, str]:
    """Return the client and the dump tool of a server: MariaDB's, or MySQL's beside it."""
    folder = server.mysqld.parent
    if server.is_mariadb or not (folder / "mysqldump").exists():
        return "command mariadb", "command mariadb-dump"
    return str(folder / "mysql"), str(folder / "mysqldump")


class Operator:
    """Follows a section of the page while a server makes images.

    Attributes:
        before: The guids of images that were made before the backup began.

    Args:
        run: The page's shell.
    """

    def __init__(self, run: PageRun) -> None:
        self.before: list[str] = []
        self._run = run
        self._is_serving = False

    def start(self) -> None:
        """Start a server, and make images."""
        self._run.shell("pixy serve >log 2>&1 & echo $! >pid")
        self._run.wait_until_ready(self._run.folder / "log")
        self._is_serving = True
        self.before = [self.make_image() for _ in range(3)]

    def make_image(self) -> str:
        """Make an image, and return its guid."""
        answer = self._run.shell(
            f"curl -fsS -u 'ada:{PASSWORD}' -H 'Content-Type: application/json' -d "
            f"""'{{"prompt": "a heron"}}' http://127.0.0.1:{self._run.port}/image"""
        )
        return str(json.loads(answer)["guid"])

    def follow(self, section: str) -> None:
        """Run a section; images are made between the commands of its first half."""
        self._run.run(PAGE, section, self._prepare)

    def stop(self) -> None:
        """Stop the server."""
        self._run.shell("kill $(cat pid); wait $(cat pid) || true")
        self._is_serving = False

    def _prepare(self, sample: Sample) -> None:
        if self._is_serving and sample.command.startswith(("mv ", "sudo ")):
            self.stop()
        elif self._is_serving:
            self.make_image()


@pytest.fixture
def run(mysql_server: "MySQLServer", tmp_path: Path, server: S3Server) -> Iterator[PageRun]:
    client, dump = find_programs(mysql_server)
    mysql_server.execute(
        "CREATE DATABASE pixy CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "CREATE USER 'pixy'@'%' IDENTIFIED BY 'a-long-password'",
        "GRANT ALL ON pixy.* TO 'pixy'@'%'",
    )
    (tmp_path / "backup").mkdir()
    url = f"mysql://pixy:a-long-password@127.0.0.1:{mysql_server.port}/pixy"
    settings = {
        "PIXY_GENERATOR": "sketch",
        "PIXY_DATABASE_URL": url,
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_REGION": "us-east-1",
    }
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".my.cnf").write_text(
        f"[client]\nhost=127.0.0.1\nport={mysql_server.port}\nuser=pixy\npassword=a-long-password\n"
    )
    prelude = PRELUDE.format(client=client, dump=dump, socket=mysql_server._socket)
    replacements = {"/backup": str(tmp_path / "backup"), "/var/lib": str(tmp_path / "lib")}
    add_users(url, PASSWORD, {"ada": "x"})
    running = PageRun(tmp_path / "home", replacements, prelude, settings)
    yield running
    running.close()
    mysql_server.execute("DROP DATABASE pixy", "DROP USER 'pixy'@'%'")


@pytest.mark.parametrize("section", ["MySQL or MariaDB, and files", "A bucket"])
def test_what_was_stored_before_a_backup_is_there_after_a_restore(
    run: PageRun, section: str, tmp_path: Path, mysql_server: "MySQLServer"
) -> None:
    if section == "A bucket":
        run.shell(f"export PIXY_CONTENT=s3://pixy/{tmp_path.name}")
    operator = Operator(run)
    operator.start()
    operator.follow(section)
    url = f"mysql://pixy:a-long-password@127.0.0.1:{mysql_server.port}/pixy"
    with connect(url) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT guid FROM images")
        restored = {row[0] for row in cursor.fetchall()}
    assert set(operator.before) <= restored
    assert "Problems left: 0." in run.shell("pixy check --deep")
    # passwords are part of a backup
    run.shell("pixy serve >log2 2>&1 & echo $! >pid")
    run.wait_until_ready(run.folder / "log2")
    for guid in operator.before:
        run.shell(
            f"curl -fsS -o content -u 'ada:{PASSWORD}' "
            f"http://127.0.0.1:{run.port}/image/{guid}/content"
        )
    assert operator.make_image()
    operator.stop()
