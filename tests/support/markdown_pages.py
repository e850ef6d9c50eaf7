"""Runs the samples of a page of the documentation in order, as a reader would.

A ```console block contains commands, each after `$ `, and their output. A ```python block is a
script, and a ```text block after it is its output. All samples of a page share one folder and one
shell. `pixy serve` runs in the background until the page ends.
"""

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
_END = re.compile(rf"\n{_MARK} (\d+)\n$".encode())
_TIMEOUT = 60
"""Seconds after which a sample is considered hanging."""


@dataclass
class Sample:
    """A command or a script, its line in the page, and its expected output; None: any output."""

    line: int
    command: str
    output: str | None
    is_python: bool = False


def read_blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of one language, in order."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


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
    """One run of a page's samples, in its own folder.

    Args:
        folder: The working directory of the samples.
        replacements: Text of the page -> its replacement here, such as a path or a port.
        prelude: Shell functions that replace commands that tests can't use, such as systemctl.
        environment: Variables that the page does not mention.
    """

    def __init__(
        self,
        folder: Path,
        replacements: dict[str, str] | None = None,
        prelude: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = find_free_port()
        address = {"127.0.0.1:8000": f"127.0.0.1:{self.port}"}
        self.text = PrintedText(address | (replacements or {}))
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=self._environment() | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
        self.shell(prelude)

    def run(
        self,
        page: Path,
        section: str = "",
        before: Callable[[Sample], object] = lambda _: None,
    ) -> None:
        """Run every sample of a page.

        Args:
            page: The page.
            section: A heading of the second level; empty: the whole page.
            before: Called before each sample.

        Raises:
            AssertionError: The output of a sample differs from the page.
        """
        text = page.read_text(encoding="utf-8")
        if section:
            # lines that stay empty keep the numbers of the others
            start, _, rest = text.partition(f"\n## {section}\n")
            text = "\n" * (start.count("\n") + 2) + rest.partition("\n## ")[0] + "\n"
        for sample in read_samples(text):
            before(sample)
            printed = self._run_sample(sample)
            if sample.output is not None and not self.text.matches(sample.output, printed):
                raise AssertionError(
                    f"{page.name}:{sample.line}: {sample.command}\nprints\n{printed}\n"
                    f"and not\n{sample.output}"
                )

    def close(self) -> None:
        """End the shell and the servers that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)
        time.sleep(0.1)
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGKILL)
        # also closes the pipes
        self._shell.communicate(timeout=20)

    def _run_sample(self, sample: Sample) -> str:
        command = self.text.translate(sample.command)
        if sample.is_python:
            (self.folder / "sample.py").write_text(command, encoding="utf-8")
            return self.shell("python -W error sample.py")
        if re.search(r"\bpixy serve\b", command):
            return self._serve(command)
        return self.shell(command)

    def _serve(self, command: str) -> str:
        log = self.folder / "serve.log"
        self.shell(f"{command} >{log} 2>&1 &")
        self.wait_until_ready(log)
        return log.read_text(encoding="utf-8")

    def wait_until_ready(self, log: Path) -> None:
        """Wait until the server is ready.

        Raises:
            AssertionError: It is not ready within a minute; the message is its log.
        """
        deadline = time.monotonic() + _TIMEOUT
        while not self.is_ready():
            if time.monotonic() > deadline:
                raise AssertionError(log.read_text(encoding="utf-8"))
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Return whether the server reports that it is ready."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def shell(self, command: str) -> str:
        """Run a command in the page's shell and return what it prints.

        Raises:
            AssertionError: It fails or hangs.
        """
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        script = f"{{ :\n{command}\n}} </dev/null\nstatus=$?; echo; echo {_MARK} $status\n"
        self._shell.stdin.write(script.encode())
        printed, deadline = b"", time.monotonic() + _TIMEOUT
        with selectors.DefaultSelector() as selector:
            selector.register(self._shell.stdout, selectors.EVENT_READ)
            while not (end := _END.search(printed)):
                assert time.monotonic() < deadline, f"{command}\nhangs after\n{printed.decode()}"
                if selector.select(timeout=1):
                    chunk = self._shell.stdout.read(65536)
                    assert chunk, f"{command}\nended the shell after\n{printed.decode()}"
                    printed += chunk
        text = printed[: end.start()].decode().replace("\r\n", "\n")
        assert end[1] == b"0", f"{command}\nends with {end[1].decode()} and prints\n{text}"
        return text

    def _environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            "PATH": f"{programs}:/usr/sbin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PIXY_PORT": str(self.port),
        }
