"""The metrics of the installed command: each one moves as its row in docs/metrics.md says."""

import base64
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from installed_pixy import PASSWORD
from provider import Provider
from provider_answers import USAGE, Answer
from scrape import CONCURRENCY, MeasuredPixy, Scrape, install_measured

MODEL = "gpt-image-2.6-flare"
USER = "augusta"
DAYS = 61
"""How long the model will be there."""

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
ROW = re.compile(r"^\| `(pixy_\w+)` \| (\w+) \| ?(.*?) \| .* \|$", re.MULTILINE)
TABLE = {
    name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(PAGE)
}
DETAILS = {"method": "GET", "route": "/image/{guid}"}
COUNT = "pixy_http_request_duration_seconds_count"


@pytest.fixture(scope="module")
def running_provider() -> Iterator[Provider]:
    with Provider() as running:
        date = (datetime.now(UTC).date() + timedelta(days=DAYS)).isoformat()
        model = {"id": MODEL, "object": "model", "created": 1, "shutdown_date": date}
        running.models = Answer(200, {"object": "list", "data": [model]})
        yield running


@pytest.fixture
def provider(running_provider: Provider) -> Provider:
    running_provider.behave("png")
    running_provider.latency = lambda: 0.0
    return running_provider


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, running_provider: Provider
) -> Iterator[MeasuredPixy]:
    folder = tmp_path_factory.mktemp("pixy")
    pixy = install_measured(folder, f"sqlite:///{folder / 'pixy.db'}", running_provider)
    pixy.environment["PIXY_PROVIDER_PLACES"] = "9"
    pixy.add_user(USER)
    pixy.start()
    yield pixy
    pixy.kill()


@pytest.fixture
def pixy(running: MeasuredPixy, provider: Provider) -> MeasuredPixy:
    """The server of all tests here; each shows by how much its own requests move the counters."""
    return running


@pytest.fixture
def before(pixy: MeasuredPixy) -> Scrape:
    return pixy.scrape()


@pytest.fixture
def ada(pixy: MeasuredPixy) -> Iterator[httpx2.Client]:
    with pixy.client(USER) as client:
        yield client


def make_image(client: httpx2.Client, prompt: str = "a lighthouse", status: int = 201) -> Any:
    answer = client.post("/image", json={"prompt": prompt, "quality": "high"})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_log_names_the_address(pixy: MeasuredPixy) -> None:
    (announced,) = re.findall("`(will serve metrics on )http://", PAGE)
    assert f"{announced}{pixy.metrics_url}\n" in pixy.log


def test_every_metric_of_the_table_is_shown_with_its_type_and_labels(
    pixy: MeasuredPixy, ada: httpx2.Client
) -> None:
    make_image(ada)
    shown = pixy.scrape_until(lambda scrape: len(scrape.families) == len(TABLE))
    found = {}
    for family in shown.families.values():
        suffix = "_total" if family.type == "counter" else ""
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        found[f"{family.name}{suffix}"] = (family.type, labels)
        assert f"| {family.documentation} |" in PAGE
    assert len(TABLE) == 12
    assert found == TABLE


def test_requests_are_counted_by_route_and_status(
    pixy: MeasuredPixy, ada: httpx2.Client, before: Scrape
) -> None:
    guid = make_image(ada)["guid"]
    for _ in range(7):
        assert ada.get(f"/image/{guid}").status_code == 200
    absent = guid.translate(str.maketrans("0123456789", "1234567890"))
    assert ada.get(f"/image/{absent}").status_code == 404
    assert ada.get("/no/such/path").status_code == 404
    assert ada.request("PROPFIND", "/image").status_code == 405
    assert ada.delete("/health/live").status_code == 405
    assert ada.post("/image", content=b"{").status_code in (400, 415)
    shown = pixy.scrape().since(before)
    assert shown.total(COUNT, **DETAILS, status="200") == 7
    assert shown.total(COUNT, **DETAILS, status="404") == 1
    assert shown.total(COUNT, route="unmatched", status="404") == 1
    assert shown.total(COUNT, method="POST", route="/image", status="201") == 1
    assert shown.total(COUNT, method="other", route="/image", status="405") == 1
    assert shown.total(COUNT, method="other", route="/health/live", status="405") == 1
    took = shown.total("pixy_http_request_duration_seconds_sum", **DETAILS, status="200")
    assert took > 0
    infinite = shown.total("pixy_http_request_duration_seconds_bucket", **DETAILS, le="+Inf")
    assert infinite == 8


def test_a_client_that_left_is_counted_as_499(pixy: MeasuredPixy, before: Scrape) -> None:
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    head = f"POST /image HTTP/1.1\r\nHost: pixy\r\nAuthorization: Basic {token}\r\n"
    body = "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    address = pixy.url.removeprefix("http://").split(":")
    left = {"route": "/image", "status": "499"}
    assert before.total(COUNT, **left) == 0
    with socket.create_connection((address[0], int(address[1]))) as connection:
        connection.sendall(f"{head}{body}".encode())
        pixy.scrape_until(lambda scrape: scrape.total("pixy_http_active_requests") == 1)
    pixy.scrape_until(lambda scrape: scrape.total(COUNT, **left) == 1)


def test_an_image_is_counted_with_its_tokens_and_times(
    pixy: MeasuredPixy, ada: httpx2.Client, provider: Provider, before: Scrape
) -> None:
    provider.latency = lambda: 0.5
    make_image(ada)
    shown = pixy.scrape().since(before)
    made = {"model": MODEL, "outcome": "ready", "billed": "yes"}
    assert shown.total("pixy_generations_total", **made) == 1
    assert shown.total("pixy_generations_total") == 1
    labels = {"model": MODEL, "quality": "high"}
    assert shown.total("pixy_generation_duration_seconds_count", **labels) == 1
    assert shown.total("pixy_generation_duration_seconds_sum", **labels) >= 0.5
    assert shown.total("pixy_overhead_seconds_count") == 1
    request = shown.total("pixy_http_request_duration_seconds_sum", route="/image")
    assert 0 < shown.total("pixy_overhead_seconds_sum") < request - 0.5
    read = shown.total("pixy_image_tokens_total", model=MODEL, direction="input", modality="text")
    written = shown.total("pixy_image_tokens_total", direction="output", modality="image")
    assert (read, written) == (USAGE["input_tokens"], USAGE["output_tokens"])
    assert shown.total("pixy_image_tokens_total") == USAGE["total_tokens"]


def test_failures_are_counted_by_their_code_and_by_what_they_cost(
    pixy: MeasuredPixy, ada: httpx2.Client, provider: Provider, before: Scrape
) -> None:
    behaviours = ("moderation_blocked", "empty_data", "reset")
    for number, behaviour in enumerate(behaviours):
        provider.behave(behaviour)
        answer = ada.post("/image", json={"prompt": f"number {number}"})
        assert answer.status_code >= 400
    shown = pixy.scrape().since(before)
    outcomes = {
        (sample.labels["outcome"], sample.labels["billed"]): sample.value
        for sample in shown.samples("pixy_generations_total", model=MODEL)
    }
    assert outcomes == {
        ("prompt_rejected", "no"): 1,
        ("provider_sent_no_image", "yes"): 1,
        ("outcome_unknown", "unknown"): 1,
    }
    assert shown.total("pixy_unknown_total") == 1
    assert shown.total("pixy_generation_duration_seconds_count") == 0
    assert shown.total("pixy_image_tokens_total") == 0


def test_what_runs_is_shown_while_it_runs(
    pixy: MeasuredPixy, ada: httpx2.Client, provider: Provider
) -> None:
    with ThreadPoolExecutor(3) as threads:
        with provider.holding():
            posts = [threads.submit(make_image, ada, f"number {n}") for n in range(3)]
            pixy.scrape_until(lambda scrape: is_running(scrape, 3))
        for post in posts:
            post.result()
    shown = pixy.scrape_until(lambda scrape: is_running(scrape, 0))
    assert shown.total("pixy_generation_places", state="total") == 2 * CONCURRENCY
    assert shown.total("pixy_generation_places", state="fleet_total") == 9


def is_running(scrape: Scrape, count: int) -> bool:
    places = [
        scrape.total("pixy_generation_places", state=state) for state in ("used", "fleet_used")
    ]
    return [scrape.total("pixy_http_active_requests"), *places] == [count] * 3


def test_the_state_of_the_service_is_measured(pixy: MeasuredPixy) -> None:
    journal = pixy.folder / "data" / "journal"
    journal.mkdir(exist_ok=True)
    shown = pixy.scrape_until(
        lambda scrape: (
            "pixy_model_shutdown_days" in scrape.families and scrape.total("pixy_database_up") == 1
        )
    )
    assert shown.total("pixy_journal_entries") == 0
    assert shown.total("pixy_store_free_bytes") > 0
    # midnight may have passed
    assert shown.total("pixy_model_shutdown_days") in (DAYS - 1, DAYS)
    # recovery can't read it, so it stays
    unreadable = journal / "00000000-0000-4000-8000-000000000000.json"
    unreadable.write_text("{}")
    assert pixy.scrape().total("pixy_journal_entries") == 1
    unreadable.unlink()


def test_no_label_has_a_user_a_guid_or_a_prompt(
    pixy: MeasuredPixy, ada: httpx2.Client, provider: Provider
) -> None:
    names = {"user": USER, "prompt": "zeppelin"}
    names["guid"] = make_image(ada, names["prompt"])["guid"]
    with pixy.client() as stranger:
        for path in ("", "/content", "/thumbnail?width=256", "/derived", "/preview"):
            ada.get(f"/image/{names['guid']}{path}")
            stranger.get(f"/image/{names['guid']}{path}")
    for path in (f"/{names['user']}/{names['guid']}", f"/static/{names['user']}/x.js"):
        ada.get(path)
    ada.get("/image", params={"query": names["prompt"], "owner": names["user"]})
    ada.patch(f"/image/{names['guid']}", json={"visibility": "public"})
    ada.request("PROPFIND", f"/{names['user']}")
    for behaviour in ("moderation_blocked", "reset"):
        provider.behave(behaviour)
        ada.post("/image", json={"prompt": names["prompt"], "model": MODEL})
    ada.post("/image", json={"prompt": names["prompt"], "model": names["user"]})
    ada.delete(f"/image/{names['guid']}")
    values = pixy.scrape().label_values()
    assert {"/image/{guid}", "/image/{guid}/content", "unmatched", MODEL} <= values
    assert [v for v in values for name in names.values() if name in v] == []
    assert len(values) < 100
