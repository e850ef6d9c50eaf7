"""The installed command `pixy`, as processes."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from lasting_ports import find_lasting_port
from new_users import add_users, set_disabled

if TYPE_CHECKING:
    from forked_pixy import ForkedProcess

PASSWORD = "a long enough password"
PROGRAM = Path(sys.executable).parent / "pixy"


class InstalledPixy:
    """One deployment: a working directory, an environment, and at most one running server.

    Attributes:
        program: The command; a test may set that of another version.

    Args:
        folder: The working directory.
        environment: The settings, by variable name.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.program = PROGRAM
        self.environment = environment
        self.url = ""
        self._log = folder / "log"
        self._server: subprocess.Popen[bytes] | ForkedProcess | None = None

    @property
    def log(self) -> str:
        """The log of all servers so far."""
        return self.log_from(0)

    def log_from(self, offset: int) -> str:
        """Return the log from an offset in bytes on."""
        if not self._log.exists():
            return ""
        with self._log.open("rb") as log:
            log.seek(offset)
            return log.read().decode()

    @property
    def process_id(self) -> int:
        """The process of the running server."""
        assert self._server is not None
        return self._server.pid

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run `pixy` to its end and return what it printed.

        Raises:
            CalledProcessError: Its exit code is not 0.
        """
        return subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env=self._environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        ).stdout

    def run_in_background(self, *arguments: str) -> subprocess.Popen[str]:
        """Run `pixy`, and return its process, whose output is in its pipes."""
        return subprocess.Popen(
            [self.program, *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def database_url(self) -> str:
        """The URL of its database."""
        default = Path(self.environment.get("PIXY_DATA_DIR", "pixy-data"), "pixy.sqlite3")
        return self.environment.get("PIXY_DATABASE_URL", f"sqlite:///{self.folder / default}")

    def add_user_by_command(self, name: str, class_key: str = "class") -> None:
        """Add a user with PASSWORD, and create missing tables, as operators do."""
        options = ("--class-key", class_key, "--create", "--password-stdin")
        self.run("user", "add", name, *options, stdin=PASSWORD)

    def add_user(self, name: str, class_key: str = "class") -> None:
        """Add a user with PASSWORD, quickly."""
        self.add_users(**{name: class_key})

    def add_users(self, **class_keys: str) -> None:
        """Add users of these classes with PASSWORD, quickly.

        Args:
            class_keys: By user name.
        """
        add_users(self.database_url, PASSWORD, class_keys)

    def disable_user(self, name: str) -> None:
        """Disable a user, quickly."""
        set_disabled(self.database_url, name, disabled=True)

    def enable_user(self, name: str) -> None:
        """Enable a user again, quickly."""
        set_disabled(self.database_url, name, disabled=False)

    @property
    def is_running(self) -> bool:
        """Whether the server's process runs."""
        return self._server is not None and self._server.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._server is not None
        return self._server.pid

    def start(
        self,
        *arguments: str,
        until: str = "/health/ready",
        port: int | None = None,
        descriptors: int | None = None,
        stderr: int | None = None,
    ) -> None:
        """Run `pixy serve`, and return when it answers.

        Args:
            arguments: More options of the command.
            until: The path that must answer 200.
            port: The port to listen on; None for a free one.
            descriptors: Its limit of descriptors (`ulimit -n`); None for that of the tests.
            stderr: The descriptor of its standard error; None is the file that `log` reads.

        Raises:
            RuntimeError: It ended, or did not answer within two minutes; with its log.
        """
        port = port or find_lasting_port()
        self.url = f"http://127.0.0.1:{port}"
        with self._log.open("ab") as log:
            self._server = self._serve(
                "--port",
                str(port),
                *arguments,
                stderr=log.fileno() if stderr is None else stderr,
                descriptors=descriptors,
            )
        deadline = time.monotonic() + 120
        while not self._answers(until):
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.log)
            time.sleep(0.05)

    def client(self, user: str | None = None) -> httpx2.Client:
        """Return a client that signs in as `user`; None is anonymous."""
        auth = (user, PASSWORD) if user else None
        # without TLS no certificates are needed, and reading them takes longer than a request
        return httpx2.Client(
            base_url=self.url, auth=auth, timeout=120, trust_env=False, verify=False
        )

    def workers(self) -> list[int]:
        """Return the process ids of the server's workers."""
        assert self._server is not None
        listed = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text()
        found = []
        for pid in map(int, listed.split()):
            # one that has just ended is not there any more
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send the server a signal."""
        assert self._server is not None
        self._server.send_signal(number)

    def wait(self) -> int:
        """Wait until the server has ended by itself, and return its exit code."""
        assert self._server is not None
        code = self._server.wait(timeout=120)
        self._server = None
        return code

    def stop(self) -> int:
        """Stop the server like an operator, and return its exit code."""
        self.signal()
        return self.wait()

    def kill(self) -> None:
        """End the server, if it runs, without giving it time."""
        if self._server is not None:
            workers = self.workers() if self.is_running else []
            self._server.kill()
            self._server.wait()
            self._server = None
            for worker in workers:
                # a worker whose supervisor is gone ends by itself
                with contextlib.suppress(ProcessLookupError):
                    _kill_and_wait(worker)

    def _serve(
        self, *arguments: str, stderr: int, descriptors: int | None
    ) -> "subprocess.Popen[bytes] | ForkedProcess":
        """Start `pixy serve`; see `start`."""
        limit = ["prlimit", f"--nofile={descriptors}"] if descriptors else []
        return subprocess.Popen(
            [*limit, self.program, "serve", *arguments],
            cwd=self.folder,
            env=self._environment(),
            stderr=stderr,
        )

    def _answers(self, path: str) -> bool:
        # a new client for each check would delay the start
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **self.environment}


def _kill_and_wait(pid: int) -> None:
    """Kill a process that is no child of this one, and return when its ports are free."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], 60)
    finally:
        os.close(descriptor)
