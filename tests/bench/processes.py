"""Processes under measurement: start, readiness, memory and stop."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self

START_TIMEOUT = 60
STOP_TIMEOUT = 60


class Process:
    """A server in its own process and process group.

    Args:
        command: The program and its arguments.
        url: Its address.
        ready: The path that answers 200 when the server is ready.
        folder: Its working directory; its output goes into the file `log` there.
        environment: Variables in addition to PATH and HOME, which every process gets.
    """

    def __init__(
        self, command: list[str], url: str, ready: str, folder: Path, environment: dict[str, str]
    ) -> None:
        self.url = url
        self._command = command
        self._ready = ready
        self._log = folder / "log"
        self._folder = folder
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start the process and return the seconds until it was ready.

        Raises:
            RuntimeError: It ended or was not ready in time; with the end of its log.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not _answers(self.url + self._ready):
            waited = time.perf_counter() - started
            if self._process.poll() is not None or waited > START_TIMEOUT:
                self.stop()
                raise RuntimeError(self._log.read_text(errors="replace")[-3000:])
            time.sleep(0.01)
        return time.perf_counter() - started

    def stop(self) -> None:
        """End the process and wait for it; one that has ended is fine."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def memory(self) -> float:
        """Return the MiB that the process and its children hold in memory."""
        return sum(_read_status(pid, "VmRSS") for pid in self._pids())

    def forget_peak(self) -> None:
        """Reset the peak of the memory (proc(5), clear_refs)."""
        for pid in self._pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_memory(self) -> float:
        """Return the peak of the memory in MiB since `forget_peak`."""
        return sum(_read_status(pid, "VmHWM") for pid in self._pids())

    def _pids(self) -> list[int]:
        assert self._process is not None
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [parent, *map(int, children)]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def python_server(
    script: Path, folder: Path, arguments: Callable[[int], list[str]], **environment: str
) -> Process:
    """Return a process, not started, that runs one of this folder's scripts.

    Args:
        script: The script.
        folder: Its working directory.
        arguments: Returns its arguments for the port that it listens on.
        environment: See `Process`.
    """
    port = find_free_port()
    command = [sys.executable, str(script), *arguments(port)]
    return Process(command, f"http://127.0.0.1:{port}", "/ready", folder, environment)


def find_free_port() -> int:
    """Return a free port of the loopback interface.

    It is below the ports that Linux assigns to clients (ip(7)), because a load uses many of those.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _read_status(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0
