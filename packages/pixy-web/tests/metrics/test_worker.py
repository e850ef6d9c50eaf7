"""What a worker counts."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pixy_core import GenerationTimeoutError, PromptRejectedError, Purchase
from pixy_service import MadeImage
from pixy_web.metrics.worker import MOST_SERIES, WorkerMetrics, list_tokens

DETAILS = {"text_tokens": 10, "image_tokens": 5}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, []),
        ({"input_tokens": 15, "input_tokens_details": DETAILS},
         [("input", "text", 10), ("input", "image", 5)]),
        ({"input_tokens": 20, "input_tokens_details": DETAILS},
         [("input", "text", 10), ("input", "image", 5), ("input", "unspecified", 5)]),
        ({"input_tokens_details": DETAILS}, [("input", "text", 10), ("input", "image", 5)]),
        ({"output_tokens": 196}, [("output", "unspecified", 196)]),
        ({"output_tokens": 196, "output_tokens_details": "many"}, [("output", "unspecified", 196)]),
        ({"input_tokens": -1, "output_tokens": 1e400}, []),
        ({"input_tokens": "12", "output_tokens": None}, []),
        ({"input_tokens": True, "output_tokens": 10**30}, []),
    ],
)  # fmt: skip
def test_tokens_are_counted_whatever_a_provider_reports(
    usage: dict[str, Any] | None, tokens: list[tuple[str, str, int]]
) -> None:
    assert list(list_tokens(usage)) == tokens


def test_an_image_without_provider_costs_nothing() -> None:
    metrics = WorkerMetrics(4)
    metrics.note_image(MadeImage("sketch", "auto", None, 1.5, -0.1))
    labels = {"model": "sketch", "outcome": "ready", "billed": "no"}
    assert read(metrics, "pixy_generations_total", labels) == 1
    assert read(metrics, "pixy_overhead_seconds_sum") == 0


def test_an_image_with_tokens_is_billed() -> None:
    metrics = WorkerMetrics(4)
    purchase = Purchase(usage={"output_tokens": 7})
    metrics.note_image(MadeImage("model", "high", purchase, 1.5, 0.1))
    labels = {"model": "model", "outcome": "ready", "billed": "yes"}
    assert read(metrics, "pixy_generations_total", labels) == 1
    tokens = {"model": "model", "direction": "output", "modality": "unspecified"}
    assert read(metrics, "pixy_image_tokens_total", tokens) == 7


def test_only_what_is_unknown_counts_as_unknown() -> None:
    metrics = WorkerMetrics(4)
    metrics.note_failure("model", PromptRejectedError())
    assert read(metrics, "pixy_unknown_total") == 0
    metrics.note_failure("model", GenerationTimeoutError())
    metrics.note_lost()
    assert read(metrics, "pixy_unknown_total") == 2
    labels = {"model": "model", "outcome": "generation_timeout", "billed": "unknown"}
    assert read(metrics, "pixy_generations_total", labels) == 1


def test_places_are_shown_from_the_start() -> None:
    metrics = WorkerMetrics(4)
    assert read(metrics, "pixy_generation_places", {"state": "total"}) == 4
    assert read(metrics, "pixy_generation_places", {"state": "used"}) == 0


def count(metrics: WorkerMetrics, *requests: tuple[str, str, int]) -> None:
    """Count requests with these methods, routes and statuses, and write them."""

    async def serve() -> None:
        for method, route, status in requests:
            metrics.begin_request()
            metrics.end_request(method, route, status, 0.01)
        metrics._write()

    asyncio.run(serve())


COUNT = "pixy_http_request_duration_seconds_count"


def test_a_method_that_a_route_does_not_have_makes_no_series() -> None:
    metrics = WorkerMetrics(4)
    count(metrics, *((method, "/image", 405) for method in ("PUT", "DELETE", "PROPFIND")))
    assert read(metrics, COUNT, {"method": "other", "route": "/image", "status": "405"}) == 3


def test_the_number_of_series_has_an_end() -> None:
    metrics = WorkerMetrics(4)
    count(metrics, *(("GET", f"/{number}", 200) for number in range(MOST_SERIES + 7)))
    count(metrics, ("GET", "/0", 200), ("GET", "/new", 404))
    assert read(metrics, COUNT, {"method": "GET", "route": "/0", "status": "200"}) == 2
    rest = {"method": "other", "route": "unmatched"}
    assert read(metrics, COUNT, {**rest, "status": "200"}) == 7
    assert read(metrics, COUNT, {**rest, "status": "404"}) == 1


FILL = """
import os, pathlib, sys
from pixy_web.metrics.folder import join_folder
folder = pathlib.Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
join_folder(folder)
sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
from pixy_web.metrics.worker import MOST_SERIES, WorkerMetrics
from pixy_service import MadeImage
metrics = WorkerMetrics(4)
for number in range(MOST_SERIES):
    metrics._find_series("OPTIONS", "/image/{guid}/thumbnail/%03d" % number, 200).observe(1)
for status in range(200, 220):
    metrics._find_series("GET", "/more", status).observe(1)
for number in range(15):
    metrics.note_image(MadeImage("gpt-image-2.6-flare", "quality-%d" % number, None, 1.5, 0.1))
assert sizes == {path.name: path.stat().st_size for path in folder.iterdir()}
"""


def test_all_series_fit_into_what_is_allocated(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", FILL], env=environment, check=True)


def read(metrics: WorkerMetrics, name: str, labels: dict[str, str] | None = None) -> float | None:
    return metrics._registry.get_sample_value(name, labels)
