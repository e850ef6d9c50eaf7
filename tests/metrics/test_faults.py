"""What the metrics show after a fault, and that they cause none."""

import os
import signal
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from deployment import wait_until
from provider import Provider
from scrape import CONCURRENCY, MeasuredPixy, Scrape

if TYPE_CHECKING:
    from mysql_server import MySQLServer

COUNT = "pixy_http_request_duration_seconds_count"


def post(client: httpx2.Client, prompt: str) -> None:
    with suppress(httpx2.HTTPError):
        client.post("/image", json={"prompt": prompt})


@pytest.mark.fault("F122")
def test_workers_are_killed_and_give_back_what_they_did_not_use(
    pixy: MeasuredPixy, provider: Provider
) -> None:
    pixy.add_user("ada")
    pixy.start()
    wait_until(lambda: pixy.log.count("Application startup complete") == 2)
    folder, old = pixy.find_folder(), pixy.workers()
    files = [folder / f"histogram_{pid}.db" for pid in old]
    allocated = [file.stat().st_blocks for file in files]
    with pixy.client("ada") as ada, ThreadPoolExecutor(3) as threads:
        assert ada.get("/image").status_code == 200
        with provider.holding():
            for number in range(3):
                threads.submit(post, ada, f"number {number}")
            before = pixy.scrape_until(lambda scrape: is_busy(scrape, 3))
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: len(set(pixy.workers()) - set(old)) == 2)
            after = pixy.scrape_until(lambda scrape: is_busy(scrape, 0))
    total = pixy.scrape_until(
        lambda scrape: scrape.total("pixy_generation_places", state="total") == 2 * CONCURRENCY
    )
    for scrape in (after, total):
        now = scrape.counters()
        assert [name for name, value in before.counters().items() if now.get(name, 0) < value] == []
    for pid, file, blocks in zip(old, files, allocated, strict=True):
        assert file.stat().st_blocks < blocks / 2
        assert not (folder / f"gauge_livesum_{pid}.db").exists()


def is_busy(scrape: Scrape, count: int) -> bool:
    used = scrape.total("pixy_generation_places", state="used")
    return (scrape.total("pixy_http_active_requests"), used) == (count, count)


def with_memory_of(size: str, pixy: MeasuredPixy) -> None:
    """Let the server have a file system of this size as /dev/shm, which only it sees."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("only root can mount a file system")
    inner = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$0" "$@"'
    wrapper = pixy.folder / "wrapper"
    wrapper.write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{inner}' {pixy.program} \"$@\"\n")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    pixy.program = wrapper


@pytest.mark.fault("F123")
def test_there_is_no_memory_for_the_metrics(pixy: MeasuredPixy) -> None:
    with_memory_of("512k", pixy)
    pixy.environment["PIXY_WORKERS"] = "1"
    pixy.start()
    assert "this worker is missing in the metrics" in pixy.log
    with pixy.client() as client:
        assert client.get("/image").status_code == 200
    shown = pixy.scrape()
    assert shown.total(COUNT) == 0
    assert shown.total("pixy_database_up") == 1


@pytest.mark.fault("F123")
def test_the_memory_of_the_metrics_fills_up_while_they_count(pixy: MeasuredPixy) -> None:
    with_memory_of("8m", pixy)
    pixy.start()
    wait_until(lambda: pixy.log.count("Application startup complete") == 2)
    workers = set(pixy.workers())
    filler = Path(f"/proc/{pixy.pid}/root/dev/shm/filler")
    with suppress(OSError), filler.open("wb", buffering=0) as opened:
        while opened.write(b"x" * 4096):
            pass
    with pixy.client() as client:
        for path in ("/image", "/docs", "/openapi.json", "/health/live", "/", "/absent"):
            for method in ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"):
                assert client.request(method, path).status_code < 500
    assert set(pixy.workers()) == workers
    assert pixy.scrape().total(COUNT, route="/docs", method="GET", status="200") == 1


@pytest.mark.long
@pytest.mark.fault("F124")
def test_the_database_is_down_at_the_start_and_goes_away_and_hangs_later(
    pixy: MeasuredPixy, mysql_server: "MySQLServer"
) -> None:
    pixy.environment["PIXY_PROVIDER_PLACES"] = "2"
    mysql_server.kill()
    try:
        pixy.start(until="/health/live")
        assert pixy.scrape().samples("pixy_database_up")[0].value == 0
    finally:
        mysql_server.restart()
    wait_for_database(pixy)
    mysql_server.kill()
    try:
        shown = pixy.scrape_until(lambda scrape: scrape.total("pixy_database_up") == 0)
        assert shown.total(COUNT, route="/health/live") > 0
        assert shown.total("pixy_store_free_bytes") > 0
        assert shown.samples("pixy_database_up")
    finally:
        mysql_server.restart()
    wait_for_database(pixy)
    mysql_server.suspend()
    try:
        shown = pixy.scrape()
        assert shown.samples("pixy_database_up")[0].value == 0
        assert shown.samples("pixy_generation_places", state="fleet_total")
        assert not shown.samples("pixy_generation_places", state="fleet_used")
    finally:
        mysql_server.resume()
    wait_for_database(pixy)


def wait_for_database(pixy: MeasuredPixy) -> None:
    pixy.scrape_until(
        lambda scrape: (
            scrape.total("pixy_database_up") == 1
            and scrape.samples("pixy_generation_places", state="fleet_used")
        )
    )
