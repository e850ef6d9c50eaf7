"""The dashboard: a real Prometheus that reads a real server has data for each of its panels."""

import itertools
import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from installed_pixy import InstalledPixy
from lasting_ports import find_lasting_port
from prometheus_server import PrometheusServer, deploy_prometheus
from provider import Provider
from provider_models import date_model

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/pixy.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    (f"{panel['title']} {target['refId']}", target["expr"])
    for panel in PANELS
    for target in panel["targets"]
]
VARIABLES = {"$__rate_interval": "30s", "$instance": ".*"}
"""What Grafana puts in place of the variables of an expression."""

METRIC = re.compile(r"\bpixy_[a-z_]+")


def fill_in(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def read_metrics() -> set[str]:
    """Return the names of the metrics in the table of docs/metrics.md."""
    page = (ROOT / "docs/metrics.md").read_text()
    return set(re.findall(r"^\| `(pixy_\w+)`", page, re.MULTILINE))


class Observed:
    """A real server that is used, and the Prometheus that reads it."""

    def __init__(self, pixy: InstalledPixy, provider: Provider, prometheus: PrometheusServer):
        self._pixy = pixy
        self._provider = provider
        self._prometheus = prometheus

    def use(self) -> None:
        """Make an image, fail to make one, and read some."""
        with self._pixy.client("ada") as ada:
            for behaviour in ("png", "overloaded"):
                self._provider.behave(behaviour)
                ada.post("/image", json={"prompt": "a lighthouse"})
            listed = ada.get("/image").json()
            ada.get(f"/image/{listed[0]['guid']}")
            ada.get("/nowhere")

    def find_empty(self) -> list[str]:
        """Return the queries of the dashboard that have no data."""
        return [name for name, expression in QUERIES if not self.has_data(expression)]

    def has_data(self, expression: str) -> bool:
        found = self._prometheus.query(fill_in(expression))
        return any(math.isfinite(float(series["value"][1])) for series in found)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("prometheus")
    port = str(find_lasting_port())
    with Provider() as provider:
        provider.models = date_model("gpt-image-2", "2099-01-01")
        pixy = InstalledPixy(
            tmp_path_factory.mktemp("pixy"),
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=provider.base_url,
            PIXY_OPENAI_MODEL="gpt-image-2",
            PIXY_PROVIDER_PLACES="4",
            PIXY_WORKERS="2",
            PIXY_METRICS_PORT=port,
        )
        pixy.add_user("ada")
        deploy_prometheus(folder, f"127.0.0.1:{port}", interval="1s")
        with PrometheusServer(folder) as prometheus:
            # Prometheus takes five seconds to find its targets
            try:
                pixy.start()
                yield Observed(pixy, provider, prometheus)
            finally:
                pixy.kill()


def test_every_query_returns_data_of_a_real_run(observed: Observed) -> None:
    empty = [name for name, _ in QUERIES]
    deadline = time.monotonic() + 120
    while empty and time.monotonic() < deadline:
        observed.use()
        time.sleep(0.5)
        empty = observed.find_empty()
    assert empty == []


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    shown = {
        re.sub(r"(_bucket|_count|_sum)$", "", name)
        for _, expression in QUERIES
        for name in METRIC.findall(expression)
    }
    assert shown == read_metrics()


def test_the_rules_use_only_metrics_of_the_table() -> None:
    rules = (ROOT / "deploy/prometheus/alerts.yml").read_text()
    used = {re.sub(r"(_bucket|_count|_sum)$", "", name) for name in METRIC.findall(rules)}
    assert used <= read_metrics()


def test_the_dashboard_fits_every_grafana() -> None:
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource", "instance"}
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]
        for source in (panel["datasource"], *(t["datasource"] for t in panel["targets"])):
            assert source == {"type": "prometheus", "uid": "${datasource}"}
    assert "id" not in DASHBOARD
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_no_panel_covers_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        rows = range(place["y"], place["y"] + place["h"])
        cells = set(itertools.product(columns, rows))
        assert not cells & taken, panel["title"]
        assert max(columns) < 24
        taken |= cells
