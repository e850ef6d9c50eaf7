"""The installed command `pixy` at a terminal of its own, as a person uses it."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PIXY = str(Path(sys.executable).parent / "pixy")
_LONGEST_WAIT = 60


class Terminal:
    """Runs `pixy` with a pseudo-terminal as its input, output and controlling terminal.

    Args:
        folder: The working directory.
        arguments: Of the command.
        environment: More variables.

    Attributes:
        text: What it has printed so far.
    """

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.text = ""
        self._read_until = 0
        self._terminal, own = pty.openpty()
        self._process = subprocess.Popen(
            [PIXY, *arguments],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", **environment},
            stdin=own,
            stdout=own,
            stderr=own,
            start_new_session=True,
        )
        os.close(own)

    @property
    def process_id(self) -> int:
        """The process of the command, and the group of all that it starts."""
        return self._process.pid

    def write(self, text: str) -> None:
        """Type."""
        os.write(self._terminal, text.encode())

    def write_hidden(self, text: str) -> None:
        """Type once what is typed is not shown any more; what came before is thrown away then.

        Raises:
            AssertionError: It still is, after a minute.
        """
        deadline = time.monotonic() + _LONGEST_WAIT
        while termios.tcgetattr(self._terminal)[3] & termios.ECHO:
            assert time.monotonic() < deadline, self.text
            time.sleep(0.01)
        self.write(text)

    def read_until(self, end: str) -> None:
        """Return once `end` is printed, behind what was waited for before.

        Raises:
            AssertionError: It is not, within a minute; with what was printed.
        """
        while (found := self.text.find(end, self._read_until)) < 0:
            assert self._read_more(), self.text
        self._read_until = found + len(end)

    def read(self) -> str:
        """Return all that is printed, once the command has ended."""
        while self._read_more():
            pass
        return self.text

    def _read_more(self) -> bool:
        """Wait for more text; False when there will be none."""
        deadline = time.monotonic() + _LONGEST_WAIT
        while not select.select([self._terminal], [], [], 0.1)[0]:
            assert time.monotonic() < deadline, self.text
        # Linux gives EIO once nobody has the other end open
        with contextlib.suppress(OSError):
            read = os.read(self._terminal, 65536)
            self.text += read.decode()
            return bool(read)
        return False

    def interrupt(self) -> None:
        """Do what a terminal does at Ctrl-C: signal all processes of the command."""
        os.killpg(self.process_id, signal.SIGINT)

    def wait(self) -> int:
        """Return the exit code, once the command has ended."""
        return self._process.wait(timeout=_LONGEST_WAIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process_id, signal.SIGKILL)
        self._process.wait()
        os.close(self._terminal)
