"""Everything that one scrape shows: what the workers have counted, and the state of the service."""

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as MetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from pixy_core import PixyProxyException
from pixy_service import Monitor
from pixy_web.metrics import table
from pixy_web.metrics.table import Metric

logger = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that a scrape waits for database, store and provider together."""


class Measurement:
    """Runs a function that may hang, in a thread, and at most one call of it at a time.

    Args:
        name: What is measured, for the log.
        measure: The function.
    """

    def __init__(self, name: str, measure: Callable[[], float | None]) -> None:
        self._name = name
        self._measure = measure
        self._lock = threading.Lock()
        self._running: Future[float | None] | None = None

    def start(self) -> "Future[float | None]":
        """Return the call that runs, or one that has just begun; its result is None if it fails."""
        with self._lock:
            if self._running is None or self._running.done():
                self._running = Future()
                try:
                    threading.Thread(
                        target=self._run, args=(self._running,), name="pixy-measure", daemon=True
                    ).start()
                except RuntimeError:  # no memory for another thread
                    self._running.set_result(None)
            return self._running

    def _run(self, result: "Future[float | None]") -> None:
        value = None
        try:
            value = self._measure()
        except (PixyProxyException, OSError) as error:
            logger.debug("%s can't be measured: %r", self._name, error)
        except Exception:
            logger.exception("%s can't be measured", self._name)
        finally:
            result.set_result(value)


class _Gauge(NamedTuple):
    """A gauge of the state; `absent` is shown if it can't be measured, None leaves it out."""

    metric: Metric
    measurement: Measurement
    absent: float | None = None


class ServiceCollector(Collector):
    """Adds up what the workers count, and measures the state at each scrape.

    What can't be measured in time is left out; a database that does not answer is down.

    Args:
        folder: Where the workers count.
        monitor: Measures the state.
        places: Places of all processes of the database; None: there is no common limit.
    """

    def __init__(self, folder: Path, monitor: Monitor, places: int | None) -> None:
        # the library has types, except for this module
        self._workers = MultiProcessCollector(None, path=str(folder))  # type: ignore[no-untyped-call]
        self._places = places
        self._taken = Measurement("places", monitor.count_places)
        self._gauges = (
            _Gauge(
                table.JOURNAL_ENTRIES, Measurement("the journal", monitor.count_journal_entries)
            ),
            _Gauge(table.STORE_FREE_BYTES, Measurement("the disk", monitor.measure_free_bytes)),
            _Gauge(
                table.DATABASE_UP,
                Measurement("the database", lambda: _succeed(monitor.check_database)),
                absent=0,
            ),
            _Gauge(
                table.MODEL_SHUTDOWN_DAYS, Measurement("the models", monitor.find_shutdown_days)
            ),
        )

    def collect(self) -> Iterator[MetricFamily]:
        """Return all metrics."""
        taken = self._taken.start() if self._places else None
        running = [(gauge, gauge.measurement.start()) for gauge in self._gauges]
        wait([*(future for _, future in running), *([taken] if taken else [])], timeout=PATIENCE)
        for family in self._workers.collect():  # type: ignore[no-untyped-call]
            if family.name == table.GENERATION_PLACES.name:
                self._add_places(family, taken)
            yield family
        for gauge, future in running:
            value = _take(future)
            shown = gauge.absent if value is None else value
            if shown is not None:
                yield GaugeMetricFamily(gauge.metric.name, gauge.metric.meaning, value=shown)

    def _add_places(self, family: MetricFamily, taken: "Future[float | None] | None") -> None:
        """Add the places that all servers share to those of this one."""
        if self._places is None:
            return
        family.add_sample(family.name, {"state": "fleet_total"}, self._places)
        used = None if taken is None else _take(taken)
        if used is not None:
            family.add_sample(family.name, {"state": "fleet_used"}, used)


def _take(future: "Future[float | None]") -> float | None:
    return future.result() if future.done() else None


def _succeed(check: Callable[[], None]) -> float:
    check()
    return 1.0
