"""The installed command `pixy` at a pseudo-terminal, as a person uses it."""

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
        arguments: The command's arguments.
        environment: More variables.

    Attributes:
        text: The output so far.
    """

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.text = ""
        self._read_until = 0
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # tests that run in the background ignore Ctrl-C, and so would their processes
            signal.signal(signal.SIGINT, signal.default_int_handler)
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
        """The process id of the command, which is also the id of its process group."""
        return self._process.pid

    def write(self, text: str) -> None:
        """Type."""
        os.write(self._terminal, text.encode())

    def write_hidden(self, text: str) -> None:
        """Type as soon as the terminal does not echo; earlier input would be discarded.

        Raises:
            AssertionError: It still echoes after a minute.
        """
        deadline = time.monotonic() + _LONGEST_WAIT
        while termios.tcgetattr(self._terminal)[3] & termios.ECHO:
            assert time.monotonic() < deadline, self.text
            time.sleep(0.01)
        self.write(text)

    def read_until(self, end: str) -> None:
        """Wait until `end` is printed after the text of the last call.

        Raises:
            AssertionError: It is not printed within a minute; the message is the output.
        """
        while (found := self.text.find(end, self._read_until)) < 0:
            assert self._read_more(), self.text
        self._read_until = found + len(end)

    def read(self) -> str:
        """Wait until the command has ended, and return all its output."""
        while self._read_more():
            pass
        return self.text

    def _read_more(self) -> bool:
        """Wait for more text; return False at the end."""
        deadline = time.monotonic() + _LONGEST_WAIT
        while not select.select([self._terminal], [], [], 0.1)[0]:
            assert time.monotonic() < deadline, self.text
        # Linux returns EIO once the other end is closed
        with contextlib.suppress(OSError):
            read = os.read(self._terminal, 65536)
            self.text += read.decode()
            return bool(read)
        return False

    def interrupt(self) -> None:
        """Press Ctrl-C: the terminal signals all processes of the command."""
        os.killpg(self.process_id, signal.SIGINT)

    def wait(self) -> int:
        """Wait until the command has ended, and return its exit code."""
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
