"""What `/metrics` shows, read by prometheus-client's own parser, and the folder of the workers."""

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from installed_pixy import InstalledPixy
from lasting_ports import find_lasting_port
from new_databases import create_tables
from provider import Provider

PATIENCE = 60
"""Seconds within which a value must appear."""

CONCURRENCY = 4
"""Images that each worker makes at once."""

FOLDER = "pixy-metrics-"

COUNTING = ("counter", "histogram")
"""Types of families whose values never fall."""

Key = tuple[str, frozenset[tuple[str, str]]]
"""The name and the labels of a sample."""


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

    def counters(self) -> dict[Key, float]:
        """Return the value of each sample that must never fall."""
        return {
            _key(sample): sample.value
            for family in self.families.values()
            if family.type in COUNTING
            for sample in family.samples
        }

    def since(self, earlier: "Scrape") -> "Scrape":
        """Return a scrape that shows by how much each counter grew; those that rested are absent.

        Gauges stay as they are.
        """
        then, grown = earlier.counters(), copy.copy(self)
        grown.families = {name: _subtract(family, then) for name, family in self.families.items()}
        return grown

    def label_values(self) -> set[str]:
        """Return every value of a label."""
        return {
            value
            for family in self.families.values()
            for sample in family.samples
            for value in sample.labels.values()
        }


def _key(sample: Sample) -> Key:
    return sample.name, frozenset(sample.labels.items())


def _subtract(family: Metric, then: dict[Key, float]) -> Metric:
    if family.type not in COUNTING:
        return family
    rest = copy.copy(family)
    changes = [s._replace(value=s.value - then.get(_key(s), 0)) for s in family.samples]
    rest.samples = [sample for sample in changes if sample.value]
    return rest


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


def install_measured(folder: Path, database_url: str, provider: Provider) -> MeasuredPixy:
    """Return the command with two workers and images from the provider; it is not started.

    Args:
        folder: The working directory.
        database_url: A new database, which gets its tables.
        provider: The provider of its images.
    """
    create_tables(database_url)
    return MeasuredPixy(
        folder,
        PIXY_DATABASE_URL=database_url,
        PIXY_DATA_DIR=str(folder / "data"),
        PIXY_WORKERS="2",
        PIXY_GENERATION_CONCURRENCY=str(CONCURRENCY),
        OPENAI_API_KEY="sk-of-the-test",
        OPENAI_BASE_URL=provider.base_url,
    )


def _list_folders(pid: int) -> Iterator[Path]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            path = descriptor.readlink()
            if path.name.startswith(FOLDER):
                yield path
