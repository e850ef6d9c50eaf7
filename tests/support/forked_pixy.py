"""The command `pixy` as processes that are forked from one that has done its imports.

These take longer than most commands. A process gets its own arguments, environment, working
directory and standard streams, and has no controlling terminal. It differs from a new one in this:
the interpreter has started, so that variables for it have no effect, except PYTHONPATH on later
imports; and a command that runs to its end leaves without the interpreter's own end, which would
take longer than the command.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

from pixy_web.commands import entry

_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
_IMPORTS = (
    *("pixy_web.app", "pixy_web.server.run", "pixy_data.database.upgrade"),
    "pixy_service.generators.openai.exchange",
)
"""These, and what they import, are imported by the commands."""

_LONGEST_MESSAGE = 1 << 16
_PATIENCE = 60.0


class ForkedProcess:
    """A running `pixy`, with what the tests use of `subprocess.Popen`.

    Args:
        forks: The process that has forked it.
        pid: Its process id, which stays its own until `forks` has told its exit code.
    """

    def __init__(self, forks: "ForkedPixy", pid: int) -> None:
        self.pid = pid
        self._forks = forks
        self._descriptor = os.pidfd_open(pid)
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        if self._code is None and self._has_ended(0):
            self._code = self._forks.reap(self.pid)
            os.close(self._descriptor)
        return self._code

    def wait(self, timeout: float = _PATIENCE) -> int:
        """Return its exit code when it has ended.

        Raises:
            TimeoutExpired: It runs still.
        """
        if self._code is None:
            self._has_ended(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(["pixy"], timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _has_ended(self, seconds: float) -> bool:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        return bool(waiting.poll(seconds * 1000))


class ForkedPixy:
    """The process that forks; use it in a `with` block, or until this process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.settimeout(_PATIENCE)
        with other_end:
            number = other_end.fileno()
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(number)],
                env=_ENVIRONMENT,
                pass_fds=[number],
                start_new_session=True,
            )

    def run(
        self,
        *arguments: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        stdin: str | bytes = "",
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `pixy` to its end.

        Args:
            arguments: The command's arguments.
            folder: The working directory.
            environment: All variables but PATH.
            stdin: What it reads.
            stdout: The descriptor of its standard output; None captures it.
            stderr: The descriptor of its standard error; None captures it.
        """
        with tempfile.TemporaryFile() as given, _temporary() as printed, _temporary() as reported:
            given.write(stdin if isinstance(stdin, bytes) else stdin.encode())
            given.seek(0)
            streams = [
                given.fileno(),
                printed.fileno() if stdout is None else stdout,
                reported.fileno() if stderr is None else stderr,
            ]
            code = self._fork(arguments, folder, environment, streams, leaves=True).wait(300)
            texts = []
            for stream in (printed, reported):
                stream.seek(0)
                texts.append(stream.read())
        return subprocess.CompletedProcess(["pixy", *arguments], code, *texts)

    def start(
        self, *arguments: str, folder: Path, environment: Mapping[str, str], stderr: int
    ) -> ForkedProcess:
        """Run `pixy` in the background.

        Args:
            arguments: The command's arguments.
            folder: The working directory.
            environment: All variables but PATH.
            stderr: The descriptor of its standard error; its other streams are /dev/null.
        """
        with Path(os.devnull).open("r+b") as null:
            streams = [null.fileno(), null.fileno(), stderr]
            return self._fork(arguments, folder, environment, streams, leaves=False)

    def reap(self, pid: int) -> int:
        """Return the exit code of a process that has ended."""
        return self._ask({"reap": pid}, [])

    def _fork(
        self,
        arguments: tuple[str, ...],
        folder: Path,
        environment: Mapping[str, str] | None,
        streams: list[int],
        *,
        leaves: bool,
    ) -> ForkedProcess:
        variables = _ENVIRONMENT | dict(environment or {})
        command = {"arguments": arguments, "folder": str(folder), "environment": variables}
        return ForkedProcess(self, self._ask(command | {"leaves": leaves}, streams))

    def _ask(self, request: dict[str, Any], streams: list[int]) -> int:
        with self._lock:
            socket.send_fds(self._requests, [json.dumps(request).encode()], streams)
            return int(self._requests.recv(_LONGEST_MESSAGE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()
        self._process.wait(_PATIENCE)


def _temporary() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="")


def _fork_for_each(requests: socket.socket) -> dict[str, Any]:
    """Answer each request; return one in the new process that is forked for it."""
    while True:
        message, streams, _, _ = socket.recv_fds(requests, _LONGEST_MESSAGE, 3)
        if not message:
            sys.exit()
        request: dict[str, Any] = json.loads(message)
        if "reap" in request:
            status = os.waitpid(request["reap"], 0)[1]
            requests.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        process_id = os.fork()
        if not process_id:
            requests.close()
            _become(request, streams)
            return request
        for stream in streams:
            os.close(stream)
        requests.send(str(process_id).encode())


def _become(request: dict[str, Any], streams: list[int]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if "PYTHONPATH" in os.environ:
        sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
    sys.argv = ["pixy", *request["arguments"]]


def main() -> None:
    """Run `pixy` in a new process for each request from the socket that the argument names."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    for module in _IMPORTS:
        importlib.import_module(module)
    gc.freeze()
    request = _fork_for_each(requests)
    try:
        entry.main()
    except SystemExit as end:
        if not request["leaves"]:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))


if __name__ == "__main__":
    main()
