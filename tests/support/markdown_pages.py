"""Runs the samples of a page of the documentation, in their order, as a reader would.

A ```console block holds commands, each after `$ `, and what they print. A ```python block is a
script, and a ```text block that follows it is what it prints. All samples of a page share one
folder and one shell. `pixy serve` runs in the background until the page ends.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from printed_text import PrintedText
from reverse_proxies import find_free_port

_BLOCK = re.compile(
    r"^```console\n(?P<console>.*?)^```$"
    r"|^```python\n(?P<python>.*?)^```$(?:\s*^```text\n(?P<text>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_MARK = "end-of-sample"
_TIMEOUT = 60
"""Seconds; a sample that takes longer hangs."""


@dataclass
class Sample:
    """A command or a script, the line on which it stands, and what it prints; None: anything."""

    line: int
    command: str
    output: str | None
    is_python: bool = False


def read_samples(text: str) -> Iterator[Sample]:
    """Find the samples of a page."""
    for block in _BLOCK.finditer(text):
        if block["python"]:
            line = text.count("\n", 0, block.start("python")) + 1
            yield Sample(line, block["python"], block["text"], is_python=True)
            continue
        for command in _COMMAND.finditer(block["console"]):
            line = text.count("\n", 0, block.start("console") + command.start()) + 1
            yield Sample(line, command[1], command[2])


class PageRun:
    """One run of a page's samples, in a folder of its own.

    Args:
        folder: Where the samples run.
        replacements: What the page says -> what it is here, such as a path or a port.
        prelude: Shell functions that stand for what a test can't have, such as systemctl.
    """

    def __init__(
        self, folder: Path, replacements: dict[str, str] | None = None, prelude: str = ""
    ) -> None:
        self.folder = folder
        self.port = find_free_port()
        address = {"127.0.0.1:8000": f"127.0.0.1:{self.port}"}
        self.text = PrintedText(address | (replacements or {}))
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
        self._run(prelude)

    def run(self, page: Path) -> None:
        """Run every sample of a page.

        Raises:
            AssertionError: One prints something else than its page says.
        """
        for sample in read_samples(page.read_text(encoding="utf-8")):
            printed = self._run_sample(sample)
            if sample.output is not None and not self.text.matches(sample.output, printed):
                raise AssertionError(
                    f"{page.name}:{sample.line}: {sample.command}\nprints\n{printed}\n"
                    f"and not\n{sample.output}"
                )

    def close(self) -> None:
        """End the shell and the servers that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)
        time.sleep(0.1)
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        self._shell.wait(timeout=20)

    def _run_sample(self, sample: Sample) -> str:
        command = self.text.translate(sample.command)
        if sample.is_python:
            (self.folder / "sample.py").write_text(command, encoding="utf-8")
            return self._run("python -W error sample.py")
        if re.search(r"\bpixy serve\b", command):
            return self._serve(command)
        return self._run(command)

    def _serve(self, command: str) -> str:
        log = self.folder / "serve.log"
        self._run(f"{command} >{log} 2>&1 &")
        deadline = time.monotonic() + _TIMEOUT
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise AssertionError(log.read_text(encoding="utf-8"))
            time.sleep(0.05)
        return log.read_text(encoding="utf-8")

    def is_ready(self) -> bool:
        """Return whether the server says that it is."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _run(self, command: str) -> str:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        script = f"{{ :\n{command}\n}} </dev/null\necho\necho {_MARK}\n"
        self._shell.stdin.write(script.encode())
        printed, deadline = b"", time.monotonic() + _TIMEOUT
        with selectors.DefaultSelector() as selector:
            selector.register(self._shell.stdout, selectors.EVENT_READ)
            while not printed.endswith(f"{_MARK}\n".encode()):
                if time.monotonic() > deadline:
                    raise AssertionError(f"{command}\nhangs after\n{printed.decode()}")
                if selector.select(timeout=1):
                    chunk = self._shell.stdout.read(65536)
                    assert chunk, f"{command}\nended the shell after\n{printed.decode()}"
                    printed += chunk
        return printed.decode().removesuffix(f"\n{_MARK}\n").replace("\r\n", "\n")

    def _environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            "PATH": f"{programs}:/usr/sbin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PIXY_PORT": str(self.port),
        }
