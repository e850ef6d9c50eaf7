"""How long a request waits for its image: cases C220 to C223."""

import time
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from pixy_web.http.prefer import Preference, read_preference
from provider import Provider
from running_service import RunningService

ASYNC = {"Prefer": "respond-async"}


def wait_for_status(client: httpx2.Client, path: str, status: str) -> dict[str, Any]:
    """Wait until a creation has a status, and return its details."""
    deadline = time.monotonic() + 30
    while True:
        details: dict[str, Any] = client.get(path).json()
        if details["status"] == status:
            return details
        assert time.monotonic() < deadline, details
        time.sleep(0.02)


@pytest.mark.case("C220")
def test_a_client_that_won_t_wait_is_answered_while_the_provider_works(
    patient: RunningService, provider: Provider
) -> None:
    name = patient.add_user()
    client = patient.client(name)
    with provider.holding():
        answer = client.post("/image", json={"prompt": "a fox"}, headers=ASYNC)
        creation = answer.json()
        provider.wait_for_requests(1)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/image/{creation['guid']}"
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["cache-control"] == "private, no-store"
    assert int(answer.headers["retry-after"]) > 0
    assert (creation["status"], creation["prompt"], creation["owner"]) == ("pending", "a fox", name)
    image = wait_for_status(client, answer.headers["location"], "ready")
    assert client.get(f"/image/{image['guid']}/content").status_code == 200
    assert provider.paid_requests == 1


@pytest.mark.case("C221")
@pytest.mark.parametrize("prefer", ["wait=0", "respond-async, wait=0", "wait=1; x=y"])
def test_a_client_that_waits_is_answered_after_that_time(
    patient: RunningService, provider: Provider, prefer: str
) -> None:
    client = patient.sign_in()
    with provider.holding():
        answer = client.post("/image", json={"prompt": "x"}, headers={"Prefer": prefer})
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert answer.headers["preference-applied"] == prefer.partition(";")[0]
    wait_for_status(client, answer.headers["location"], "ready")


@pytest.mark.case("C221")
@pytest.mark.parametrize("prefer", ["wait=60", "respond-async, wait=60", 'WAIT="60"'])
def test_an_image_that_is_ready_in_time_is_returned(
    patient: RunningService, provider: Provider, prefer: str
) -> None:
    answer = patient.sign_in().post("/image", json={"prompt": "x"}, headers={"Prefer": prefer})
    assert (answer.status_code, answer.json()["status"]) == (201, "ready")
    assert answer.headers["preference-applied"] == "wait=60"


@pytest.mark.case("C222")
@pytest.mark.parametrize(
    "prefer",
    [
        "",
        "wait",
        "wait=-1",
        "wait=soon",
        "wait=1.5",
        "wait=99999999999999999999",
        "return=minimal",
        "respond-async=no",
        'x="respond-async, wait=0"',
        ",;=",
    ],
)
def test_an_invalid_preference_is_ignored(service: RunningService, prefer: str) -> None:
    answer = service.sign_in().post("/image", json={"prompt": "x"}, headers={"Prefer": prefer})
    assert answer.status_code == 201
    assert "preference-applied" not in answer.headers


@pytest.mark.case("C223")
def test_a_failure_before_the_provider_is_asked_is_reported_at_once(
    patient: RunningService, provider: Provider
) -> None:
    folder = patient.settings.data_dir / "images"
    folder.rename(folder.with_name("elsewhere"))
    answer = patient.sign_in().post("/image", json={"prompt": "x"}, headers=ASYNC)
    assert answer.status_code == 503
    assert "preference-applied" not in answer.headers
    assert provider.paid_requests == 0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (["respond-async", "wait=3"], Preference(3, True)),
        (["wait=3, wait=5"], Preference(3, False)),
        (["Respond-Async ; x=1 , Wait = 7"], Preference(7, True)),
        (["handling=lenient, respond-async"], Preference(None, True)),
        (["wait=0003"], Preference(3, False)),
        (['wait="8"'], Preference(8, False)),
        (["wait=\u00b2"], Preference()),
        (['wait="8'], Preference()),
        (['wait=8, x="\\" , respond-async'], Preference(8, False)),
        # read once from start to end; with backtracking, long values would take minutes
        (['wait=8, x="' + '\\"' * 100_000], Preference(8, False)),
        (['respond-async=""'], Preference(None, True)),
        ([], Preference()),
    ],
)
def test_preferences_follow_the_grammar_of_rfc_7240(
    headers: list[str], expected: Preference
) -> None:
    raw = [(b"prefer", header.encode("latin-1")) for header in headers]
    assert read_preference(Request({"type": "http", "headers": raw})) == expected
