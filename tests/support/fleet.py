"""Several `pixy serve` on one MySQL database and one store of images, behind nginx."""

import itertools
import json
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2

from database_sessions import connect
from deployment import wait_until
from forked_installation import ForkedInstallation
from installed_pixy import PASSWORD
from lasting_ports import find_lasting_port
from provider import Provider
from reverse_proxies import ReverseProxy, start_nginx
from shared_contents import SharedContent

_LONG_AGO = "2020-01-01 00:00:00.000000"
_FRONT = """
    upstream pixy {{
        {servers}
        keepalive 32;
        keepalive_timeout 60s;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass            http://pixy;
            proxy_http_version    1.1;
            proxy_set_header      Connection "";
            proxy_set_header      Host $http_host;
            proxy_connect_timeout 2s;
            proxy_read_timeout    240s;
            proxy_next_upstream   error timeout;
        }}
    }}
"""
_numbers = itertools.count()


class Fleet:
    """Replicas of one service, and the proxy in front of them.

    Attributes:
        replicas: The servers; each has a working folder of its own.
        content: Where the images are.
        provider: The provider of the images.
        database_url: The database.

    Args:
        folder: An empty folder.
        database_url: An empty database on a server.
        provider: The provider of the images.
        content: Where the images are.
        replicas: Number of servers.
        workers: Number of worker processes of each.
        settings: More settings, by the names of their variables.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        provider: Provider,
        content: SharedContent,
        *,
        replicas: int = 3,
        workers: int = 2,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.content, self.provider = content, provider
        self.database_url, self._folder = database_url, folder
        self._port = find_lasting_port()
        self._ports = [find_lasting_port() for _ in range(replicas)]
        self._front: ReverseProxy | None = None
        environment = {
            "PIXY_DATABASE_URL": database_url,
            "PIXY_GENERATOR": "openai",
            "PIXY_WORKERS": str(workers),
            "OPENAI_API_KEY": "sk-of-the-test",
            "OPENAI_BASE_URL": provider.base_url,
            **content.environment,
            **(settings or {}),
        }
        self.replicas = []
        for number in range(replicas):
            home = folder / f"replica-{number}"
            home.mkdir()
            self.replicas.append(ForkedInstallation(home, **environment))

    @property
    def url(self) -> str:
        """The address of the proxy."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Make the tables and the user ada, and start all replicas and the proxy."""
        self.replicas[0].add_user("ada")
        with ThreadPoolExecutor() as threads:
            list(threads.map(self.start_replica, range(len(self.replicas))))
        self.start_front()

    def start_replica(self, number: int) -> None:
        """Start a replica on its port, and wait until it is ready."""
        self.replicas[number].start(port=self._ports[number])

    def kill_replica(self, number: int) -> None:
        """Kill the processes of a replica, and make leases look as if they had ended.

        The processes that live extend theirs; those of the dead are judged half a minute earlier.
        """
        self.replicas[number].kill()
        self.end_leases()

    def start_front(self) -> None:
        """Start the proxy."""
        servers = "".join(f"server 127.0.0.1:{port} max_fails=0;" for port in self._ports)
        content = _FRONT.format(servers=servers, port=self._port)
        self._front = start_nginx(self._folder, content, self._port)

    def kill_front(self) -> None:
        """Kill the proxy."""
        if self._front is not None:
            self._front.kill()
            self._front = None

    def close(self) -> None:
        """End all processes."""
        self.kill_front()
        for replica in self.replicas:
            replica.kill()

    def client(self, user: str | None = "ada", replica: int | None = None) -> httpx2.Client:
        """Return a client of the proxy, or of one replica."""
        url = self.url if replica is None else self.replicas[replica].url
        auth = (user, PASSWORD) if user else None
        # without TLS no certificates are needed, and reading them takes longer than a request
        return httpx2.Client(base_url=url, auth=auth, timeout=60, trust_env=False, verify=False)

    def make_image(self, replica: int | None = None, visibility: str = "private") -> str:
        """Create an image with a unique prompt as ada, and return its guid."""
        body = {"prompt": f"of the fleet, number {next(_numbers)}", "visibility": visibility}
        with self.client(replica=replica) as ada:
            answer = ada.post("/image", json=body)
        assert answer.status_code == 201, answer.text
        guid: str = answer.json()["guid"]
        return guid

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement on the database, commit, and return its rows."""
        with connect(self.database_url) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            rows = list(cursor.fetchall() or ())
            connection.commit()
            return rows

    def list_rows(self) -> dict[str, tuple[str, int]]:
        """Return the file name and size in each image's row, by guid."""
        rows = self.query("SELECT guid, filename, size FROM images")
        by_guid = {guid: (filename, size) for guid, filename, size in rows}
        assert len(by_guid) == len(rows), "a guid has two rows"
        return by_guid

    def list_creations(self) -> dict[str, str]:
        """Return the status of each creation, by guid."""
        return dict(self.query("SELECT guid, status FROM creations"))

    def end_leases(self) -> None:
        """Make all leases look as if they had ended; processes that live extend theirs."""
        self.query(f"UPDATE creations SET expires_at = '{_LONG_AGO}' WHERE status = 'pending'")

    def wait_for_recovery(self) -> None:
        """Wait until no journal entry, pending creation or deletion is left.

        Raises:
            AssertionError: Something is left, or `pixy check` finds a problem.
        """
        wait_until(lambda: not self.content.list_entries(), "the journal to be empty")
        wait_until(lambda: "pending" not in self.list_creations().values(), "claims to be settled")
        wait_until(lambda: not self.query("SELECT guid FROM deletions"), "deletions to be finished")
        wait_until(lambda: not self.check(), "pixy check to find nothing")

    def check(self) -> list[dict[str, Any]]:
        """Return the findings of `pixy check`."""
        try:
            printed = self.replicas[0].run("check", "--json", "--min-age", "0")
        except subprocess.CalledProcessError as error:
            if error.returncode != 1:  # 1: problems are left
                raise
            printed = error.stdout
        *findings, summary = map(json.loads, printed.splitlines())
        assert "summary" in summary
        return findings
