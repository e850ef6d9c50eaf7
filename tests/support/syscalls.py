"""strace, from Debian, attached to a running process: traces system calls and injects faults.

strace counts per thread, so `when=2` is the second such call of the thread that makes an image.
"""

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")


class Syscall(NamedTuple):
    """One call: its thread, its name, and the rest of the line with arguments and result."""

    thread: int
    name: str
    rest: str


class Strace:
    """A strace that is attached to a process and its threads.

    Args:
        pid: The process.
        output: The file that it writes to.
        calls: The names of the system calls to follow.
        inject: The fault, in the form of `-e inject=`, such as `fsync:error=EIO:when=1`.
        paths: Follow only calls on these files and folders, by name or descriptor; empty for all.
    """

    def __init__(
        self,
        pid: int,
        output: Path,
        calls: str,
        inject: str | None = None,
        paths: Sequence[Path] = (),
    ) -> None:
        program = shutil.which("strace")
        if program is None:
            raise RuntimeError("strace is not installed: apt-get install strace")
        command = [program, "-f", "-y", "-s", "200", "-p", str(pid), "-o", str(output)]
        command += ["-e", f"trace={calls}", *(["-e", f"inject={inject}"] if inject else [])]
        for path in paths:
            command += ["-P", str(path)]
        self._pid = pid
        self._output = output
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        _wait_until_traced(pid)

    def stop(self) -> list[Syscall]:
        """Detach, if the process still runs, and return its calls in order."""
        # strace 6.1 may wait forever for a thread of a process that was killed
        self._process.send_signal(signal.SIGINT if _is_alive(self._pid) else signal.SIGKILL)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return read_trace(self._output)


def read_trace(output: Path) -> list[Syscall]:
    """Return the calls of a trace in the order in which they began."""
    matches = map(_CALL.match, output.read_text(errors="replace").splitlines())
    return [Syscall(int(m[1]), m[2], m[3]) for m in matches if m]


def _is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def _wait_until_traced(pid: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        tasks = [task / "status" for task in Path(f"/proc/{pid}/task").iterdir()]
        if not any(map(_is_untraced, tasks)):
            return
        time.sleep(0.01)
    raise TimeoutError


def _is_untraced(status: Path) -> bool:
    # a thread may end meanwhile
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return "TracerPid:\t0\n" in status.read_text()
    return False
