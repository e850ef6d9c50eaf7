"""The peak of a process's resident memory."""

import re
import signal
import subprocess
import threading
import time
from pathlib import Path

MARGIN = 8 * 1024
"""Kibibytes by which the peak of one run may be larger than that of another."""


class Peak(threading.Thread):
    """Reads the peak of a process's resident memory until it ends.

    The system's own count (wait4) begins with the memory of this process.

    Attributes:
        kibibytes: The peak.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__()
        self._status = Path(f"/proc/{process.pid}/status")
        self.kibibytes = 0

    def run(self) -> None:
        """Read it 50 times a second."""
        # a process that has ended has no such line
        while found := re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text()):
            self.kibibytes = int(found[1])
            time.sleep(0.02)


def read_peak(process: subprocess.Popen[str], *, until: str = "") -> tuple[str, int]:
    """Read what a command prints, to its end or to a line with these words; then kill it.

    Returns:
        What it printed, and its peak of resident memory in kibibytes.
    """
    assert process.stdout is not None
    peak, printed = Peak(process), ""
    peak.start()
    with process:
        for line in process.stdout:
            printed += line
            if until and until in line:
                process.kill()
        # the process is not waited for before: its entry in /proc would be gone
        peak.join()
    assert (process.returncode == -signal.SIGKILL) == bool(until), printed
    return printed, peak.kibibytes
