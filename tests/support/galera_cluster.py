"""Two real MariaDB servers as nodes of a Galera cluster: each has what the other has committed.

It knows nothing of PixyProxy.
"""

import contextlib
import os
import shutil
import socket
import time
from pathlib import Path

from lasting_ports import find_lasting_port
from mysql_server import MySQLServer

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
"""Where Debian's package galera-4 has the replication library."""

_PATIENCE = 90
# as root, rsync would write as nobody, who may not enter the folders of tests
_TRANSFER = Path("/usr/bin/wsrep_sst_rsync")
_CHANGES = {
    "\nread only = no\n": "\nread only = no\nuid = 0\ngid = 0\n",
    '$(dirname "$0")/wsrep_sst_common': "/usr/bin/wsrep_sst_common",
}


def find_mariadbd() -> Path | None:
    """Return MariaDB's server program; None if it or the replication library is missing."""
    program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    return Path(program) if program and PROVIDER.is_file() else None


class GaleraCluster:
    """A cluster of two nodes on the loopback interface.

    Attributes:
        first: The node that starts the cluster.
        second: The other one.

    Args:
        mariadbd: MariaDB's server program.
        folder: An empty folder for everything that the nodes write.
    """

    def __init__(self, mariadbd: Path, folder: Path) -> None:
        self.first = MySQLServer(mariadbd, folder / "first")
        self.second = MySQLServer(mariadbd, folder / "second")
        # where the script for the transfer of data is looked for
        path = os.pathsep.join((str(folder), os.environ["PATH"], "/usr/sbin"))
        self.first.environment = self.second.environment = {"PATH": path}
        self._transfer = folder / "wsrep_sst_pixy"
        self._ports: list[int] = []

    def start(self) -> None:
        """Start both nodes, and wait until each takes part in the cluster.

        Raises:
            RuntimeError: They did not; the message ends with the log of one.
        """
        self._write_transfer()
        self._ports = [_find_ports(), _find_ports()]
        self.first.start(*self._options(0), "--wsrep-new-cluster")
        self.second.start(*self._options(1))
        deadline = time.monotonic() + _PATIENCE
        while not (_is_member(self.first) and _is_member(self.second)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no cluster came up:\n{self.second.log[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop both nodes."""
        self.second.stop()
        self.first.stop()

    def _write_transfer(self) -> None:
        script = _TRANSFER.read_text()
        for before, after in _CHANGES.items():
            if os.geteuid() == 0 or "uid" not in after:
                script = script.replace(before, after)
        self._transfer.parent.mkdir(parents=True, exist_ok=True)
        self._transfer.write_text(script)
        self._transfer.chmod(0o755)

    def _options(self, number: int) -> list[str]:
        first, own = self._ports[0], self._ports[number]
        provider = (
            f"base_port={own}; gmcast.listen_addr=tcp://127.0.0.1:{own}; "
            f"ist.recv_addr=127.0.0.1:{own + 1}; gcache.size=32M"
        )
        return [
            "--wsrep-on=ON",
            f"--wsrep-provider={PROVIDER}",
            f"--wsrep-provider-options={provider}",
            f"--wsrep-cluster-address=gcomm://127.0.0.1:{first}",
            f"--wsrep-node-address=127.0.0.1:{own}",
            # the second node gets its data from the first
            "--wsrep-sst-method=pixy",
            f"--wsrep-sst-receive-address=127.0.0.1:{own + 2}",
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
        ]


def _is_member(node: MySQLServer) -> bool:
    found = node.execute(
        "SHOW STATUS WHERE (variable_name = 'wsrep_ready' AND value = 'ON') "
        "OR (variable_name = 'wsrep_cluster_size' AND value = '2')"
    )
    return len(found) == 2


def _find_ports() -> int:
    """Return the first of three free ports in a row."""
    while True:
        port = find_lasting_port()
        with contextlib.ExitStack() as probes:
            try:
                for following in (port + 1, port + 2):
                    probes.enter_context(socket.create_server(("127.0.0.1", following)))
            except OSError:
                continue
            return port
