"""Ctrl-C while the command starts, and while it waits for input."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from terminal import PIXY, Terminal


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def has_loaded(process_id: int, library: str) -> bool:
    """Return whether a process has loaded a compiled module, or has ended."""
    try:
        return library in Path(f"/proc/{process_id}/maps").read_text()
    except OSError:
        return True


def workers(process_id: int) -> list[int]:
    listed = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in listed.split()}
    return [pid for pid, command in commands.items() if b"spawn_main" in command]


# the first and the last compiled module that is imported; the first before the command is known
@pytest.mark.parametrize(
    ("command", "library"),
    [("serve", "_pydantic_core"), ("serve", "httptools"), ("demo", "httptools")],
)
def test_ctrl_c_during_imports_is_quiet(command: str, library: str, tmp_path: Path) -> None:
    with Terminal(tmp_path, command, "--port", "0", PIXY_GENERATOR="sketch") as terminal:
        wait_until(lambda: has_loaded(terminal.process_id, library))
        terminal.interrupt()
        assert "Traceback" not in terminal.read()
        # a server that is running already stops normally
        assert terminal.wait() in ((130,) if library == "_pydantic_core" else (130, 0))


def test_ctrl_c_does_not_end_a_worker_that_starts(tmp_path: Path) -> None:
    arguments = ("serve", "--port", "0", "--workers", "2")
    with Terminal(tmp_path, *arguments, PIXY_GENERATOR="sketch") as terminal:
        # from before the first line of both until they have done a part of their imports
        interrupted: set[int] = set()
        while len(interrupted) < 2 or not all(has_loaded(x, "_pydantic_core") for x in interrupted):
            interrupt(interrupted, terminal.process_id)
            time.sleep(0.001)
        interrupt(interrupted, terminal.process_id)
        assert set(workers(terminal.process_id)) == interrupted
        terminal.interrupt()
        terminal.read_until("Stopping parent process")
        assert "Traceback" not in terminal.read()
        assert terminal.wait() == 0


def interrupt(interrupted: set[int], process_id: int) -> None:
    """Interrupt all workers of a process, and add them to those that were."""
    for worker in workers(process_id):
        interrupted.add(worker)
        os.kill(worker, signal.SIGINT)


def test_ctrl_c_at_the_password_prompt_restores_the_terminal(tmp_path: Path) -> None:
    with Terminal(tmp_path, "user", "add", "ada", "--class-key", "k", "--create") as terminal:
        terminal.read_until("Password:")
        terminal.interrupt()
        assert "Aborted!" in terminal.read()
        assert "Traceback" not in terminal.text
        assert terminal.wait() == 130


def test_a_background_command_ignores_ctrl_c(tmp_path: Path) -> None:
    # a shell without job control starts background commands with SIGINT ignored
    script = 'trap "" INT; exec "$0" --version'
    process = subprocess.Popen(
        ["sh", "-c", script, PIXY], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    wait_until(lambda: has_loaded(process.pid, "_pydantic_core"))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert re.match(r"pixy, version \d", output)


def test_a_server_without_standard_streams_serves(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    script = 'exec "$0" serve --workers 2 --port "$1" <&- >&- 2>&-'
    environment = {**os.environ, "PIXY_GENERATOR": "sketch"}
    process = subprocess.Popen(["sh", "-c", script, PIXY, str(port)], cwd=tmp_path, env=environment)

    def is_served() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)) as probe:
            probe.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
            return probe.recv(12) == b"HTTP/1.1 200"
        return process.poll() is not None

    try:
        wait_until(is_served)
        assert process.poll() is None
        for process_id in (process.pid, *workers(process.pid)):
            streams = [Path(f"/proc/{process_id}/fd/{number}").readlink() for number in range(3)]
            assert streams == [Path(os.devnull)] * 3
    finally:
        process.terminate()
        process.wait(60)


def test_the_entry_point_imports_no_other_module() -> None:
    code = (
        "import sys; import pixy_web.commands.entry;"
        "print(*sorted(name for name in sys.modules if name.startswith(('pixy', 'click', 'pyd'))))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert found.split() == ["pixy_web", "pixy_web.commands", "pixy_web.commands.entry"]
