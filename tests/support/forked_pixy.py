"""The command `pixy` as processes that are forked from one that has done its imports.

These take longer than most commands. A process gets its own arguments, environment, working
directory and standard streams, and has no controlling terminal. It differs from a new one in this:
the interpreter has started, so that variables for it have no effect, except PYTHONPATH on later
imports; and it ends without the interpreter's own end, which would take longer than the command.
"""

import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self

from pixy_web.commands import entry

_ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
_IMPORTS = ("pixy_web.app", "pixy_web.server.run", "pixy_data.database.upgrade")
"""These, and what they import, are imported by the commands."""

_LONGEST_MESSAGE = 1 << 16


class ForkedPixy:
    """The process that forks; use it in a `with` block."""

    def __init__(self) -> None:
        self._requests, other_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.settimeout(60)
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
        variables = _ENVIRONMENT | dict(environment or {})
        request = json.dumps([arguments, str(folder), variables]).encode()
        with tempfile.TemporaryFile() as given, _temporary() as printed, _temporary() as reported:
            given.write(stdin if isinstance(stdin, bytes) else stdin.encode())
            given.seek(0)
            streams = [
                given.fileno(),
                printed.fileno() if stdout is None else stdout,
                reported.fileno() if stderr is None else stderr,
            ]
            socket.send_fds(self._requests, [request], streams)
            code = int(self._requests.recv(_LONGEST_MESSAGE))
            texts = []
            for stream in (printed, reported):
                stream.seek(0)
                texts.append(stream.read())
        return subprocess.CompletedProcess(["pixy", *arguments], code, *texts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()
        self._process.wait(60)


def _temporary() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8", newline="")


def _fork_for_each(requests: socket.socket) -> None:
    """Answer each request with the exit code of a new process, in which this returns."""
    while True:
        message, streams, _, _ = socket.recv_fds(requests, _LONGEST_MESSAGE, 3)
        if not message:
            sys.exit()
        process_id = os.fork()
        if not process_id:
            requests.close()
            _become(streams, *json.loads(message))
            return
        for stream in streams:
            os.close(stream)
        status = os.waitpid(process_id, 0)[1]
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(
    streams: list[int], arguments: list[str], folder: str, environment: dict[str, str]
) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if "PYTHONPATH" in environment:
        sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    sys.argv = ["pixy", *arguments]


def main() -> None:
    """Run `pixy` in a new process for each request from the socket that the argument names."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    for module in _IMPORTS:
        importlib.import_module(module)
    gc.freeze()
    _fork_for_each(requests)
    try:
        entry.main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))


if __name__ == "__main__":
    main()
