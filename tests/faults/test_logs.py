"""A log that nobody reads: row F80."""

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from installed_pixy import InstalledPixy
from log_format import LINE

# a line is written completely or not at all
LONG_PATH = "/" + "x" * 3_500
_DROPPED = re.compile(r"(\d+) log lines were dropped: standard error was not read")


@pytest.mark.slow
@pytest.mark.fault("F80")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_log_that_nobody_reads_does_not_stop_the_service(tmp_path: Path, workers: str) -> None:
    reader, writer = os.pipe()
    pixy = InstalledPixy(tmp_path, PIXY_GENERATOR="sketch")
    pixy.start("--workers", workers, stderr=writer)
    os.close(writer)
    try:
        with pixy.client() as client:
            for _ in range(500):
                assert client.get(LONG_PATH).status_code == 404
        with ThreadPoolExecutor(1) as threads:
            read = threads.submit(_read_until, reader, lambda log: _DROPPED.search(log) is not None)
            with pixy.client() as client:
                while not read.done():
                    assert client.get("/after").status_code == 404
        lines = read.result().splitlines()
        assert all(LINE.fullmatch(line) for line in lines)
        assert sum(f"REQUEST START GET {LONG_PATH}" in line for line in lines) < 500
        # the process ends although nobody reads any more
        pixy.stop()
    finally:
        pixy.kill()
        os.close(reader)


def _read_until(reader: int, is_end: Callable[[str], bool]) -> str:
    log = b""
    while not (log.endswith(b"\n") and is_end(log[-1_000_000:].decode())):
        log += os.read(reader, 65536)
    return log.decode()
