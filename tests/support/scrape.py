"""What `/metrics` shows, read by prometheus-client's own parser, and the folder of the workers."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from installed_pixy import InstalledPixy
from lasting_ports import find_lasting_port

PATIENCE = 60
"""Seconds within which a value must appear."""

CONCURRENCY = 4
"""Images that each worker makes at once."""

FOLDER = "pixy-metrics-"


class Scrape:
    """The families of one answer.

    Attributes:
        families: By name, as the parser returns them: counters without `_total`.
    """

    def __init__(self, text: str) -> None:
        found = list(text_string_to_metric_families(text))
        self.families: dict[str, Metric] = {family.name: family for family in found}
        assert len(found) == len(self.families), "a metric is shown twice"

    def samples(self, name: str, **labels: str) -> list[Sample]:
        """Return the samples of a name that have at least these labels."""
        return [
            sample
            for family in self.families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of these samples; 0 if there are none."""
        return sum(sample.value for sample in self.samples(name, **labels))

    def counters(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return the value of each sample that must never fall."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            if family.type in ("counter", "histogram")
            for sample in family.samples
        }

    def label_values(self) -> set[str]:
        """Return every value of a label."""
        return {
            value
            for family in self.families.values()
            for sample in family.samples
            for value in sample.labels.values()
        }


class MeasuredPixy(InstalledPixy):
    """The installed command with its metrics on.

    Attributes:
        metrics_url: Where they are.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        port = find_lasting_port()
        super().__init__(folder, PIXY_METRICS_PORT=str(port), **environment)
        self.metrics_url = f"http://127.0.0.1:{port}"

    def scrape(self) -> Scrape:
        """Return what the metrics show once their counts rest.

        Workers write what has ended ten times a second, or later on a busy machine.
        """
        shown = [self._scrape_now()]
        while len(shown) < 4 or len({frozenset(s.counters().items()) for s in shown[-4:]}) > 1:
            time.sleep(0.15)
            shown.append(self._scrape_now())
        return shown[-1]

    def _scrape_now(self) -> Scrape:
        answer = self.ask("/metrics")
        assert answer.status_code == 200, answer.text
        return Scrape(answer.text)

    def ask(self, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
        """Send a request to the port of the metrics."""
        with httpx2.Client(trust_env=False, verify=False, timeout=30) as client:
            return client.request(method, f"{self.metrics_url}{path}", headers=headers)

    def scrape_until(self, is_true: Callable[[Scrape], object]) -> Scrape:
        """Scrape until a condition holds, and return that scrape."""
        deadline = time.monotonic() + PATIENCE
        while not is_true(scrape := self._scrape_now()):
            assert time.monotonic() < deadline, scrape.counters()
            time.sleep(0.1)
        return scrape

    def find_folder(self) -> Path:
        """Return the folder in which the workers count, which this server holds open."""
        (folder,) = set(_list_folders(self.pid))
        return folder


def _list_folders(pid: int) -> Iterator[Path]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            path = descriptor.readlink()
            if path.name.startswith(FOLDER):
                yield path
