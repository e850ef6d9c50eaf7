"""The port and the folder of the metrics, from the start of the server to its end."""

import gzip
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from deployment import wait_until
from provider import Provider
from scrape import FOLDER, MeasuredPixy, Scrape, install_measured

PARENT = Path("/dev/shm")
ROOT = Path(__file__).parents[2]


def count(scrape: Scrape) -> float:
    """Return how many health checks were counted."""
    return scrape.total("pixy_http_request_duration_seconds_count", route="/health/live")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredPixy]:
    """A server for tests that only ask it."""
    folder = tmp_path_factory.mktemp("pixy")
    with Provider() as provider:
        pixy = install_measured(folder, f"sqlite:///{folder / 'pixy.db'}", provider)
        pixy.environment["PIXY_WORKERS"] = "1"
        pixy.start(until="/health/live")
        yield pixy
        pixy.kill()


@pytest.mark.parametrize(
    ("workers", "number"),
    [
        ("1", signal.SIGTERM),
        ("1", signal.SIGINT),
        ("2", signal.SIGTERM),  # the supervisor handles both signals alike
    ],
)
def test_all_workers_are_added_up_in_a_private_folder_that_is_gone_afterwards(
    pixy: MeasuredPixy, workers: str, number: signal.Signals
) -> None:
    pixy.environment["PIXY_WORKERS"] = workers
    pixy.start(until="/health/live")
    wait_until(lambda: pixy.log.count("Application startup complete") == int(workers))
    folder = pixy.find_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.suffix for path in folder.iterdir()} == {".db"}
    before = count(pixy.scrape_until(count))
    for _ in range(40):  # each on a connection of its own, which any worker may accept
        with pixy.client() as client:
            assert client.get("/health/live").status_code == 200
    pixy.scrape_until(lambda scrape: count(scrape) >= before + 40)
    assert count(pixy.scrape()) == before + 40
    pixy.signal(number)
    assert pixy.wait() in (0, -number)
    assert not folder.exists()


def test_only_get_metrics_is_answered(running: MeasuredPixy) -> None:
    assert running.ask("/metrics").status_code == 200
    for path in ("/", "/metrics/", "/favicon.ico", "/image", "/metrics/x"):
        assert running.ask(path).status_code == 404, path
    for method in ("HEAD", "POST", "OPTIONS", "PUT", "DELETE"):
        assert running.ask("/metrics", method).status_code == 404, method
    with running.client() as client:
        assert client.get("/metrics").status_code == 404


def test_the_answer_has_the_form_that_is_asked_for(running: MeasuredPixy) -> None:
    running.scrape_until(count)
    with httpx2.Client(trust_env=False, verify=False, timeout=30) as client:
        url, coding = f"{running.metrics_url}/metrics", {"Accept-Encoding": "gzip"}
        with client.stream("GET", url, headers=coding) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            text = gzip.decompress(b"".join(answer.iter_raw())).decode()
    assert "# TYPE pixy_http_request_duration_seconds histogram" in text
    answer = running.ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"pixy_unknown", "pixy_database_up"} <= families


def test_a_start_removes_what_killed_servers_left_and_nothing_else(
    pixy: MeasuredPixy, running: MeasuredPixy
) -> None:
    in_use = running.find_folder()
    pixy.environment["PIXY_WORKERS"] = "1"
    pixy.start(until="/health/live")
    abandoned = pixy.find_folder()
    assert abandoned.parent == in_use.parent == PARENT
    pixy.kill()
    assert abandoned.exists()
    pixy.start(until="/health/live")
    assert not abandoned.exists()
    assert in_use.exists()
    assert pixy.find_folder() != in_use


def test_without_its_port_nothing_of_the_metrics_is_loaded(pixy: MeasuredPixy) -> None:
    del pixy.environment["PIXY_METRICS_PORT"]
    pixy.start()
    for pid in (pixy.pid, *pixy.workers()):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"PROMETHEUS" not in environment
        assert FOLDER not in Path(f"/proc/{pid}/maps").read_text()
    with pytest.raises(httpx2.ConnectError):
        pixy.ask("/metrics")


def test_a_port_that_is_in_use_is_refused_at_the_start(running: MeasuredPixy) -> None:
    told = refuse(running, "--port", "0")
    port = running.environment["PIXY_METRICS_PORT"]
    assert f"PIXY_METRICS_HOST, PIXY_METRICS_PORT: can't listen on 127.0.0.1 port {port}" in told


def test_the_port_of_the_api_is_refused(pixy: MeasuredPixy) -> None:
    told = refuse(pixy, "--port", pixy.environment["PIXY_METRICS_PORT"])
    assert "PIXY_METRICS_PORT: must be another port than PIXY_PORT" in told


def refuse(pixy: MeasuredPixy, *options: str) -> str:
    """Return why the server does not start."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        pixy.run("serve", *options)
    assert caught.value.returncode == 2
    told: str = caught.value.stderr
    return told


def test_the_settings_that_compose_yaml_proposes_open_no_port_of_the_host(
    pixy: MeasuredPixy,
) -> None:
    lines = (ROOT / "deploy/compose.yaml").read_text().splitlines()
    proposed = [line.partition("# ")[2] for line in lines if "# PIXY_METRICS_" in line]
    settings = dict(line.replace('"', "").split(": ") for line in proposed)
    assert settings.keys() == {"PIXY_METRICS_HOST", "PIXY_METRICS_PORT"}
    pixy.environment |= settings
    shown = pixy.run("config").splitlines()
    assert all(f"{name}={value}" in shown for name, value in settings.items())
    assert not any(settings["PIXY_METRICS_PORT"] in line for line in lines if "ports:" in line)
