"""A real MySQL or MariaDB server for tests: its own data folder, socket, port and certificate.

It starts, stops and breaks a server. It knows nothing of PixyProxy.
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import MySQLdb
import trustme

from lasting_ports import find_lasting_port

_START_TIMEOUT = 90
_STOP_TIMEOUT = 60
# small enough for a test machine; the defaults for flushing to disk are kept
_SMALL = (
    "--innodb-buffer-pool-size=64M",
    "--performance-schema=OFF",
    "--max-connections=200",
)


# new data folders of servers: making one takes ten seconds, a copy less than one
_CACHE = Path(__file__).parents[2] / ".cache" / "servers"


class MySQLServer:
    """One server on the loopback interface.

    Attributes:
        environment: More variables of its environment.

    Args:
        mysqld: The program: MariaDB's `mariadbd` or MySQL's `mysqld`.
        folder: An empty folder for everything that the server writes.
    """

    def __init__(self, mysqld: Path, folder: Path) -> None:
        self.mysqld = mysqld
        self.folder = folder
        self.port = 0
        self.is_mariadb = False
        self.environment: dict[str, str] = {}
        self._data = folder / "data"
        # a socket's path may have at most 107 bytes, and pytest's folders may be longer
        self._socket = Path(f"/tmp/pixy-{secrets.token_hex(6)}.sock")
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signed the server's."""
        return self.folder / "authority.pem"

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self, *options: str) -> None:
        """Start the server, for the first time with a new data folder, and wait until it answers.

        Args:
            options: More options of the server, such as `--require-secure-transport=ON`.

        Raises:
            RuntimeError: It did not start; the message ends with its log.
        """
        if not self._data.exists():
            self._prepare()
        self.port = self.port or find_lasting_port()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self.mysqld),
                    *self._common(),
                    f"--port={self.port}",
                    "--bind-address=127.0.0.1",
                    f"--socket={self._socket}",
                    f"--pid-file={self.folder / 'server.pid'}",
                    f"--ssl-ca={self.authority}",
                    f"--ssl-cert={self.folder / 'server.pem'}",
                    f"--ssl-key={self.folder / 'server.key'}",
                    *([] if self.is_mariadb else ["--mysqlx=OFF", "--secure-file-priv=NULL"]),
                    *_SMALL,
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.environment,
            )
        self._wait()

    def stop(self) -> None:
        """Stop the server in an orderly way, if it runs."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server, like a crash."""
        self._end(signal.SIGKILL)

    def restart(self, *options: str) -> None:
        """Kill the server and start it again on the same data and port.

        Args:
            options: See `start`.
        """
        self.kill()
        self.start(*options)

    def copy_to(self, folder: Path) -> "MySQLServer":
        """Return another server with a copy of all data, not running; this one is restarted.

        Args:
            folder: An empty folder for everything that the other server writes.
        """
        self.stop()
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        self.start()
        # the server's UUID, which two servers must not share
        (folder / "data" / "auto.cnf").unlink(missing_ok=True)
        other = MySQLServer(self.mysqld, folder)
        other.is_mariadb = self.is_mariadb
        return other

    def suspend(self) -> None:
        """Let the server hang: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # its threads stop one after the other, and may answer until then
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def resume(self) -> None:
        """Resume a suspended server."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def create_database(self) -> str:
        """Create an empty database, and a user with a password for it.

        Returns:
            `mysql://user:password@127.0.0.1:port/name`
        """
        name = f"pixy_{secrets.token_hex(4)}"
        password = secrets.token_urlsafe(16)
        self.execute(
            f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'",
            f"GRANT ALL ON {name}.* TO '{name}'@'%'",
        )
        return f"mysql://{name}:{password}@127.0.0.1:{self.port}/{name}"

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as the server's administrator, over its socket.

        Args:
            statements: SQL.

        Returns:
            The rows of the last one.
        """
        connection = MySQLdb.connect(unix_socket=str(self._socket), user="root", autocommit=True)
        with contextlib.closing(connection):
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    @contextlib.contextmanager
    def holding(self, statement: str) -> Iterator[None]:
        """Run a statement as administrator, in a session that is open until the end.

        Args:
            statement: SQL that takes a lock.
        """
        connection = MySQLdb.connect(unix_socket=str(self._socket), user="root")
        with contextlib.closing(connection):
            connection.cursor().execute(statement)
            yield

    def _prepare(self) -> None:
        version = subprocess.run(
            [str(self.mysqld), "--version"], capture_output=True, text=True, check=True
        ).stdout
        self.is_mariadb = "MariaDB" in version
        self.folder.mkdir(parents=True, exist_ok=True)
        self._certify()
        made = _CACHE / hashlib.sha256(f"{self.mysqld} {version}".encode()).hexdigest()[:16]
        with _locked(made):
            if not made.exists():
                self._make_data_folder()
                # it holds the server's UUID, which two servers must not share
                (self._data / "auto.cnf").unlink(missing_ok=True)
                unfinished = made.with_suffix(".part")
                shutil.rmtree(unfinished, ignore_errors=True)
                shutil.copytree(self._data, unfinished)
                unfinished.rename(made)
        if not self._data.exists():
            shutil.copytree(made, self._data)

    def _make_data_folder(self) -> None:
        if self.is_mariadb:
            install = shutil.which("mariadb-install-db")
            if install is None:
                raise RuntimeError("mariadb-install-db is not installed")
            command = [install, *self._common()]
            command += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        else:
            command = [str(self.mysqld), *self._common(), "--initialize-insecure"]
        with self._log.open("ab") as log:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{self.log[-3000:]}")

    def _common(self) -> list[str]:
        # a server that starts removes the temporary tables of all others from a shared folder
        options = ["--no-defaults", f"--datadir={self._data}", f"--tmpdir={self.folder}"]
        return [*options, "--user=root"] if _is_root() else options

    def _certify(self) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(str(self.authority))
        certificate.private_key_pem.write_to_path(str(self.folder / "server.key"))
        chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
        (self.folder / "server.pem").write_bytes(chain)

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_TIMEOUT
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.execute("SELECT 1")
            except MySQLdb.Error:
                time.sleep(0.05)
            else:
                return
        self.kill()
        raise RuntimeError(f"{self.mysqld} did not come up:\n{self.log[-3000:]}")

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._socket.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_root() -> bool:
    return os.geteuid() == 0
