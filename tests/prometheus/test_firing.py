"""A real Prometheus reads real servers that break: each alert fires, and none before."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from installed_pixy import InstalledPixy
from lasting_ports import find_lasting_port
from prometheus_server import DEPLOYED, PrometheusServer, deploy_prometheus
from provider import Provider
from provider_answers import Answer
from provider_models import date_model
from sample_server import SampleServer

RULES = {
    rule["alert"]: rule
    for group in yaml.safe_load((DEPLOYED / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
MODEL = "gpt-image-2"
UNREADABLE = "pixy-data/journal/0d4b3d9c-6c5c-4a36-8e5a-4f0f6f1b9e11.json"
DURATION = 'pixy_generation_duration_seconds_bucket{model="slow-model",quality="auto",le="%s"}'
DETAILS = (
    "pixy_http_request_duration_seconds_bucket"
    '{method="GET",route="/image/{guid}",status="200",le="%s"}'
)
OVERHEAD = 'pixy_overhead_seconds_bucket{le="%s"}'
SLOW = {
    series % le: 1000.0 * (le in slow)
    for series, slow, quick in (
        (DURATION, ("120.0", "+Inf"), ("60.0", "90.0")),
        (DETAILS, ("1.0", "+Inf"), ("0.1", "0.25")),
        (OVERHEAD, ("2.5", "+Inf"), ("0.5", "1.0")),
    )
    for le in (*quick, *slow)
}
QUICK = dict.fromkeys(SLOW, 100.0)
"""What slow and quick servers count from one scrape to the next: much more than the real one."""


class Watch:
    """Which alerts fire, and where."""

    def __init__(self, prometheus: PrometheusServer) -> None:
        self._prometheus = prometheus
        self.fired: set[tuple[str, str]] = set()
        self.annotations: dict[str, dict[str, str]] = {}

    def look(self) -> None:
        """Add the alerts that fire now."""
        for alert in self._prometheus.get("alerts")["alerts"]:
            if alert["state"] == "firing":
                labels = alert["labels"]
                self.fired.add((labels["alertname"], labels.get("instance", "")))
                self.annotations[labels["alertname"]] = alert["annotations"]

    def wait_for(self, *alerts: str, meanwhile: Callable[[], object] | None = None) -> None:
        """Wait until these alerts have fired, for a minute at most: the tests report the rest."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.look()
            if set(alerts) <= {name for name, _ in self.fired}:
                return
            if meanwhile:
                meanwhile()
            time.sleep(0.2)


def list_model(days: int) -> Answer:
    """Return the provider's answer about its models: one, which is shut down in so many days."""
    return date_model(MODEL, (datetime.now(UTC).date() + timedelta(days=days)).isoformat())


def fall(address: str) -> str:
    """Return samples of a disk that had 40 GB seven hours ago, and has 5 GB now."""
    now = int(time.time())
    series = f'pixy_store_free_bytes{{instance="{address}",job="pixy"}}'
    minutes = range(7 * 60, 0, -1)
    lines = [f"{series} {5e9 + minute * 85e6:.0f} {now - 60 * minute}" for minute in minutes]
    return "\n".join(["# TYPE pixy_store_free_bytes gauge", *lines, "# EOF\n"])


class Run:
    """A real server, one with chosen samples, and the Prometheus that reads both."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.provider = provider
        provider.models = list_model(200)
        self.port = str(find_lasting_port())
        self.pixy = InstalledPixy(
            folder,
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=provider.base_url,
            PIXY_OPENAI_MODEL=MODEL,
            PIXY_GENERATION_CONCURRENCY="2",
            PIXY_METRICS_PORT=self.port,
        )
        self.pixy.add_user("ada")

    @property
    def address(self) -> str:
        """Host and port of the server's metrics."""
        return f"127.0.0.1:{self.port}"

    def post(self, *behaviours: str) -> None:
        """Ask for an image for each behaviour of the provider."""
        with self.pixy.client("ada") as ada:
            for behaviour in behaviours:
                self.provider.behave(behaviour)
                ada.post("/image", json={"prompt": "a lighthouse"})
                ada.get("/image")

    @contextmanager
    def all_places_taken(self) -> Iterator[None]:
        """Let requests for images take all places meanwhile."""
        threads = [threading.Thread(target=self.post, args=("png",)) for _ in range(2)]
        with self.provider.holding():
            for thread in threads:
                thread.start()
            yield
        for thread in threads:
            thread.join()

    def lose_database(self, watch: Watch) -> None:
        """Move the database file away until the alert has fired."""
        file = self.pixy.folder / "pixy-data" / "pixy.sqlite3"
        moved = file.rename(file.with_suffix(".moved"))
        watch.wait_for("PixyDatabaseDown")
        moved.rename(file)


@pytest.fixture(scope="module")
def samples() -> Iterator[SampleServer]:
    """The server with chosen samples, healthy at first."""
    with SampleServer() as samples:
        samples.gauges = {"pixy_store_free_bytes": 5e9, "pixy_model_shutdown_days": 200}
        samples.growth = dict(QUICK)
        yield samples


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with Provider() as provider:
        run = Run(tmp_path_factory.mktemp("pixy"), provider)
        try:
            yield run
        finally:
            run.pixy.kill()


@pytest.fixture(scope="module")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory, run: Run, samples: SampleServer
) -> Iterator[PrometheusServer]:
    folder = tmp_path_factory.mktemp("prometheus")
    deploy_prometheus(folder, run.address, samples.address, interval="500ms", patience="2s")
    with PrometheusServer(folder, backfill=fall("10.0.0.9:9464")) as prometheus:
        # Prometheus takes five seconds to find its targets, and all servers are absent until then
        run.pixy.start()
        prometheus.wait_until(lambda: len(prometheus.query("up == 1")) == 2)
        prometheus.wait_until(lambda: not prometheus.query('ALERTS{alertname="PixyDown"}'))
        yield prometheus


@pytest.fixture(scope="module")
def healthy(prometheus: PrometheusServer, run: Run) -> Watch:
    """Which alerts fired while the servers were well."""
    watch = Watch(prometheus)
    for _ in range(6):
        run.post("png")
        time.sleep(0.5)
        watch.look()
    return watch


@pytest.fixture(scope="module")
def broken(prometheus: PrometheusServer, run: Run, samples: SampleServer, healthy: Watch) -> Watch:
    """Which alerts fired after everything was broken: what can be at the same time, is."""
    watch = Watch(prometheus)
    run.pixy.kill()
    samples.growth = dict(SLOW)
    samples.gauges = {"pixy_store_free_bytes": 1e9, "pixy_model_shutdown_days": 20}
    watch.wait_for(
        "PixyDown",
        *("PixyReadsSlow", "PixyProviderSlow", "PixyOverheadHigh"),
        *("PixyStoreNearlyFull", "PixyModelShutDownSoon", "PixyStoreFillsUp"),
    )
    run.provider.models = list_model(3)
    run.pixy.start()
    (run.pixy.folder / UNREADABLE).write_text("{")
    watch.wait_for(
        *("PixyGenerationsFail", "PixyServerErrors", "PixyAccountRefused"),
        *("PixyOutcomeUnknown", "PixyBilledWithoutImage"),
        # the failures go on: one that happens before the first scrape of its series is no increase
        meanwhile=lambda: run.post("overloaded", "insufficient_quota", "reset", "empty_data"),
    )
    with run.all_places_taken():
        watch.wait_for("PixyPlacesExhausted", "PixyModelShutDownNow", "PixyJournalStuck")
    run.lose_database(watch)
    return watch


def test_no_alert_fires_while_all_is_well(healthy: Watch) -> None:
    # the backfilled disk is filling up from the start
    assert {name for name, _ in healthy.fired} <= {"PixyStoreFillsUp"}


@pytest.mark.parametrize("alert", RULES)
def test_every_alert_fires_once(alert: str, broken: Watch) -> None:
    assert alert in {name for name, _ in broken.fired}
    annotations = broken.annotations[alert]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    # a template that fails is replaced by its error; a label that is missing by nothing
    assert "error" not in annotations["summary"]
    assert "<no value>" not in json.dumps(annotations)


@pytest.mark.parametrize(
    "alert",
    [
        "PixyBilledWithoutImage",
        "PixyDatabaseDown",
        "PixyDown",
        "PixyJournalStuck",
        "PixyModelShutDownNow",
        "PixyOutcomeUnknown",
        "PixyPlacesExhausted",
    ],
)
def test_the_real_server_was_in_this_state(alert: str, broken: Watch, run: Run) -> None:
    assert (alert, run.address) in broken.fired
