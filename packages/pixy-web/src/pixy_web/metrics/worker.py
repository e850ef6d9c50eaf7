"""What a worker counts, in files that the server of `/metrics` adds up.

Importing prometheus-client reads PROMETHEUS_MULTIPROC_DIR: set it before this module is imported.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pixy_core import GenerationError, GenerationUnknownError
from pixy_service import GenerationObserver, MadeImage
from pixy_web.metrics import table
from pixy_web.metrics.requests import UNMATCHED
from pixy_web.metrics.table import Metric

OTHER = "other"
UNSPECIFIED = "unspecified"
READY = "ready"
_NOT_ALLOWED = 405

MOST_SERIES = 250
"""Combinations of method, route and status that get a series each: fewer than the worker has
allocated room for."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_DELAY = 0.1
"""Seconds until requests are written. Writes one after the other take a fraction of the time that
each takes between two requests, when the processor has its code in no cache."""

_Ended = tuple[str, str, int | None, float]
"""Method, route, status and seconds of a request."""

_MOST_TOKENS = 10**9
"""A provider that reports more is mistaken."""


class WorkerMetrics(GenerationObserver):
    """Counts the requests and images of this process. Its methods are called in many threads.

    Args:
        concurrency: Images that this process may make at once.
    """

    def __init__(self, concurrency: int) -> None:
        # nobody reads this registry: the values are in the files
        self._registry = CollectorRegistry()
        self._durations = self._build(Histogram, table.REQUEST_DURATION)
        self._active_gauge = self._build(Gauge, table.ACTIVE_REQUESTS)
        self._generations = self._build(Counter, table.GENERATIONS)
        self._generation_durations = self._build(Histogram, table.GENERATION_DURATION)
        self._places = self._build(Gauge, table.GENERATION_PLACES)
        self._overhead = self._build(Histogram, table.OVERHEAD)
        self._tokens = self._build(Counter, table.IMAGE_TOKENS)
        self._unknown = self._build(Counter, table.UNKNOWN)
        self._series: dict[tuple[str, str, int | None], Histogram] = {}
        self._ended: list[_Ended] = []
        self._active = 0
        self._is_due = False
        self._places.labels("total").set(concurrency)
        self.note_running(0)

    def begin_request(self) -> None:
        """Count a request that has arrived."""
        self._active += 1
        if not self._is_due:
            self._write_soon()

    def end_request(self, method: str, route: str, status: int | None, seconds: float) -> None:
        """Count a request that has been answered.

        Args:
            method: As it was sent.
            route: The template of its route.
            status: The status of the response.
            seconds: From its arrival to the end of the response.
        """
        self._active -= 1
        self._ended.append((method, route, status, seconds))
        if not self._is_due:
            self._write_soon()

    def _write(self) -> None:
        self._is_due = False
        self._active_gauge.set(self._active)
        ended, self._ended = self._ended, []
        for method, route, status, seconds in ended:
            self._find_series(method, route, status).observe(seconds)

    def _find_series(self, method: str, route: str, status: int | None) -> Histogram:
        is_known = method in METHODS and status != _NOT_ALLOWED
        key = (method if is_known else OTHER, route, status)
        # `labels` alone takes as long as a write
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= MOST_SERIES:
                key = (OTHER, UNMATCHED, status)
            series = self._series[key] = self._durations.labels(*map(str, key))
        return series

    def note_running(self, count: int) -> None:
        """Write how many images are being made."""
        self._places.labels("used").set(count)

    def note_image(self, image: MadeImage) -> None:
        """Count an image, and its tokens."""
        billed = "no" if image.purchase is None else "yes"
        self._generations.labels(image.model, READY, billed).inc()
        quality = str(image.quality)
        self._generation_durations.labels(image.model, quality).observe(image.provider_seconds)
        self._overhead.observe(max(image.overhead, 0.0))
        usage = None if image.purchase is None else image.purchase.usage
        for direction, modality, count in list_tokens(usage):
            self._tokens.labels(image.model, direction, modality).inc(count)

    def note_failure(self, model: str, error: GenerationError) -> None:
        """Count a failure."""
        self._generations.labels(model, error.code, error.billed).inc()
        if isinstance(error, GenerationUnknownError):
            self._unknown.inc()

    def note_lost(self) -> None:
        """Count an image of a dead process."""
        self._unknown.inc()

    def _build(self, kind: Any, metric: Metric) -> Any:
        options: dict[str, Any] = {}
        if metric.kind == "histogram":
            options["buckets"] = metric.buckets
        if metric.kind == "gauge":
            options["multiprocess_mode"] = "livesum"
        return kind(metric.name, metric.meaning, metric.labels, registry=self._registry, **options)

    def _write_soon(self) -> None:
        self._is_due = True
        asyncio.get_running_loop().call_later(_DELAY, self._write)


def list_tokens(usage: dict[str, Any] | None) -> Iterator[tuple[str, str, int]]:
    """Return direction, modality and number of the tokens that a provider has reported.

    Args:
        usage: Its `usage`: any JSON.
    """
    for direction in ("input", "output"):
        total = _read_count(usage, f"{direction}_tokens")
        details = (usage or {}).get(f"{direction}_tokens_details")
        known = 0
        for modality in ("text", "image"):
            count = _read_count(details, f"{modality}_tokens")
            known += count
            if count:
                yield direction, modality, count
        if total > known:
            yield direction, UNSPECIFIED, total - known


def _read_count(members: object, name: str) -> int:
    value = members.get(name) if isinstance(members, dict) else None
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_TOKENS
    return value if isinstance(value, int) and is_count else 0
