"""The port and the folder of the metrics, from the start of the server to its end."""

import gzip
import signal
import subprocess
from pathlib import Path

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from deployment import wait_until
from provider import Provider
from scrape import FOLDER, MeasuredPixy, Scrape

WORKERS = pytest.mark.parametrize("workers", ["1", "2"])
PARENT = Path("/dev/shm")
ROOT = Path(__file__).parents[2]


def count(scrape: Scrape) -> float:
    """Return how many health checks were counted."""
    return scrape.total("pixy_http_request_duration_seconds_count", route="/health/live")


@WORKERS
def test_all_workers_are_added_up(pixy: MeasuredPixy, workers: str) -> None:
    pixy.environment["PIXY_WORKERS"] = workers
    pixy.start(until="/health/live")
    before = count(pixy.scrape_until(count))
    for _ in range(40):  # each on a connection of its own, which any worker may accept
        with pixy.client() as client:
            assert client.get("/health/live").status_code == 200
    pixy.scrape_until(lambda scrape: count(scrape) >= before + 40)
    assert count(pixy.scrape()) == before + 40


def test_only_get_metrics_is_answered(pixy: MeasuredPixy) -> None:
    pixy.start(until="/health/live")
    assert pixy.ask("/metrics").status_code == 200
    for path in ("/", "/metrics/", "/favicon.ico", "/image", "/metrics/x"):
        assert pixy.ask(path).status_code == 404, path
    for method in ("HEAD", "POST", "OPTIONS", "PUT", "DELETE"):
        assert pixy.ask("/metrics", method).status_code == 404, method
    with pixy.client() as client:
        assert client.get("/metrics").status_code == 404


def test_the_answer_has_the_form_that_is_asked_for(pixy: MeasuredPixy) -> None:
    pixy.start(until="/health/live")
    pixy.scrape_until(count)
    with httpx2.Client(trust_env=False, verify=False, timeout=30) as client:
        url, coding = f"{pixy.metrics_url}/metrics", {"Accept-Encoding": "gzip"}
        with client.stream("GET", url, headers=coding) as answer:
            assert answer.headers["content-encoding"] == "gzip"
            text = gzip.decompress(b"".join(answer.iter_raw())).decode()
    assert "# TYPE pixy_http_request_duration_seconds histogram" in text
    answer = pixy.ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"pixy_unknown", "pixy_database_up"} <= families


@WORKERS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_folder_is_private_and_gone_afterwards(
    pixy: MeasuredPixy, workers: str, number: signal.Signals
) -> None:
    pixy.environment["PIXY_WORKERS"] = workers
    pixy.start()
    wait_until(lambda: pixy.log.count("Application startup complete") == int(workers))
    folder = pixy.find_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.suffix for path in folder.iterdir()} == {".db"}
    pixy.signal(number)
    assert pixy.wait() in (0, -number)
    assert not folder.exists()


def test_a_start_removes_what_killed_servers_left_and_nothing_else(
    pixy: MeasuredPixy, tmp_path: Path, provider: Provider
) -> None:
    pixy.start(until="/health/live")
    abandoned = pixy.find_folder()
    pixy.kill()
    assert abandoned.exists()
    (tmp_path / "other").mkdir()
    environment = pixy.environment | {"PIXY_DATA_DIR": str(tmp_path / "other")}
    del environment["PIXY_METRICS_PORT"], environment["PIXY_DATABASE_URL"]
    other = MeasuredPixy(tmp_path / "other", **environment)
    try:
        other.start(until="/health/live")
        assert not abandoned.exists()
        in_use = other.find_folder()
        pixy.start(until="/health/live")
        assert in_use.exists()
        assert pixy.find_folder() != in_use
    finally:
        other.kill()
    assert [path for path in PARENT.glob(f"{FOLDER}*") if path == abandoned] == []


def test_without_its_port_nothing_of_the_metrics_is_loaded(pixy: MeasuredPixy) -> None:
    del pixy.environment["PIXY_METRICS_PORT"]
    pixy.start()
    for pid in (pixy.pid, *pixy.workers()):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"PROMETHEUS" not in environment
        assert FOLDER not in Path(f"/proc/{pid}/maps").read_text()
    with pytest.raises(httpx2.ConnectError):
        pixy.ask("/metrics")


def test_a_port_that_is_in_use_is_refused_at_the_start(pixy: MeasuredPixy) -> None:
    pixy.start(until="/health/live")
    told = refuse(pixy, "--port", "0")
    port = pixy.environment["PIXY_METRICS_PORT"]
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
