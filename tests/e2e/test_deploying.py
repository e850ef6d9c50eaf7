"""docs/deploy.md on a real database server, from CREATE USER to the upgrade."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from markdown_pages import PageRun, read_blocks

if TYPE_CHECKING:
    from mysql_server import MySQLServer

PAGE = Path(__file__).parents[2] / "docs/deploy.md"
UNIT = PAGE.parents[1] / "deploy/pixy.service"

# a test is not root and has no systemd: it runs the unit's command as systemd would
PRELUDE = """
sudo() {{
    [ $1 = mariadb ] || {{ "$@"; return; }}
    shift; mariadb --no-defaults --socket={socket} --user=root "$@"
}}
systemctl() {{ if [ $1 = stop ]; then stop; else start; fi; }}
stop() {{ kill $(cat {folder}/pid); while kill -0 $(cat {folder}/pid); do sleep 0.1; done 2>&-; }}
start() {{
    (cd {working} && CREDENTIALS_DIRECTORY={credentials} && export CREDENTIALS_DIRECTORY &&
        unset PIXY_SECRETS_DIR && exec {command}) >{folder}/log 2>&1 & echo $! >{folder}/pid
    until curl -fso {folder}/ready http://127.0.0.1:$PIXY_PORT/health/ready; do
        kill -0 $(cat {folder}/pid) || {{ cat {folder}/log; return 1; }}
        sleep 0.1
    done
}}
logger() {{ echo "logger $*"; }}
"""


@pytest.fixture
def run(mysql_server: "MySQLServer", tmp_path: Path) -> Iterator[PageRun]:
    if not mysql_server.is_mariadb:
        pytest.skip("the page uses MariaDB's client, which can't sign in to MySQL 9 everywhere")
    (statements,) = read_blocks(PAGE, "sql")
    mysql_server.execute(*statements.strip().rstrip(";").split(";\n"))
    here = {
        "/opt/pixy/bin": str(Path(sys.executable).parent),
        "/var/lib/pixy": str(tmp_path / "srv"),
        "/etc/pixy": str(tmp_path / "etc"),
        " -g pixy": "",
        "/backup": str(tmp_path / "backup"),
        "127.0.0.1:3306": f"127.0.0.1:{mysql_server.port}",
        "port=3306": f"port={mysql_server.port}",
    }
    words = dict(re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE))
    for there, path in here.items():
        words = {name: value.replace(there, path) for name, value in words.items()}
    prelude = PRELUDE.format(
        folder=tmp_path,
        working=words["WorkingDirectory"],
        command=words["ExecStart"],
        credentials=tmp_path / "etc",
        socket=mysql_server._socket,
    )
    (tmp_path / "srv").mkdir()
    (tmp_path / "backup").mkdir()
    running = PageRun(tmp_path / "srv", here, prelude, environment={"PIXY_GENERATOR": "sketch"})
    yield running
    running.close()
    mysql_server.execute("DROP DATABASE pixy", "DROP USER 'pixy'@'%'")


def write_files(run: PageRun) -> None:
    """Write the files that the page shows."""
    for language, name in (("dotenv", ".env"), ("ini", ".my.cnf")):
        (content,) = read_blocks(PAGE, language)
        (run.folder / name).write_text(run.text.translate(content))


def test_the_page_leads_to_a_service_that_was_backed_up_restored_and_upgraded(
    run: PageRun,
) -> None:
    write_files(run)
    run.run(PAGE)
    assert run.is_ready()
    (job,) = read_blocks(PAGE, "crontab")
    command = run.text.translate(job.split(maxsplit=5)[5])
    assert "logger" not in run.shell(command)
