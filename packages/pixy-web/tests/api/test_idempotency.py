"""Idempotency keys: cases C230 to C242."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from provider import Provider
from running_service import RunningService

BODY = {"prompt": "a lighthouse"}
REPLAYED = "idempotent-replayed"


def post(
    client: httpx2.Client, body: dict[str, str] = BODY, key: str = "key", **headers: str
) -> httpx2.Response:
    return client.post("/image", json=body, headers={"Idempotency-Key": key, **headers})


@pytest.mark.case("C230")
def test_a_repeated_request_is_answered_with_the_same_image(
    patient: RunningService, provider: Provider
) -> None:
    client = patient.sign_in()
    first, again = post(client), post(client)
    asynchronous = post(client, Prefer="respond-async")
    spelled_out = post(client, {**BODY, "visibility": "private"})
    assert [a.status_code for a in (first, again, asynchronous, spelled_out)] == [201] * 4
    assert REPLAYED not in first.headers
    for answer in (again, asynchronous, spelled_out):
        assert answer.headers[REPLAYED] == "true"
        assert answer.headers["location"] == first.headers["location"]
        assert answer.json() == first.json()
    assert provider.paid_requests == 1


@pytest.mark.case("C231")
def test_a_repeated_request_is_refused_while_the_first_runs(
    patient: RunningService, provider: Provider
) -> None:
    client = patient.sign_in()
    with provider.holding(), ThreadPoolExecutor(2) as threads:
        running = threads.submit(post, client)
        provider.wait_for_requests(1)
        other = threads.submit(post, client, BODY, "other")
        provider.wait_for_requests(2)
        # all slots are in use now
        again = post(client)
        assert post(client, BODY, "third").json()["code"] == "generation_busy"
        provider.release()
        assert (running.result().status_code, other.result().status_code) == (201, 201)
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_key_in_use")
    assert int(again.headers["retry-after"]) > 0
    assert provider.paid_requests == 2


@pytest.mark.case("C232")
def test_a_key_can_t_be_used_for_another_request(
    patient: RunningService, provider: Provider
) -> None:
    client = patient.sign_in()
    post(client)
    for body in ({"prompt": "a fox"}, {**BODY, "visibility": "public"}):
        answer = post(client, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert provider.paid_requests == 1


@pytest.mark.case("C233")
@pytest.mark.parametrize(
    ("behaviour", "code", "billed"),
    [
        ("reset", "outcome_unknown", "unknown"),
        ("server_error", "outcome_unknown", "unknown"),
        ("null_data", "provider_sent_no_image", "yes"),
    ],
)
def test_a_creation_that_may_have_been_billed_is_not_repeated(
    patient: RunningService, provider: Provider, behaviour: str, code: str, billed: str
) -> None:
    client = patient.sign_in()
    provider.behave(behaviour, "png")
    first, again = post(client), post(client)
    for answer in (first, again):
        assert (answer.status_code, answer.json()["code"]) == (502, code)
        assert (answer.json()["billed"], answer.json()["retryable"]) == (billed, False)
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
    upstream = "upstream_request_id"
    assert again.json().get(upstream) == first.json().get(upstream)
    assert provider.paid_requests == 1


@pytest.mark.case("C234")
@pytest.mark.parametrize("behaviour", ["moderation_blocked", "overloaded", "unauthorized"])
def test_a_creation_that_was_not_billed_runs_again(
    patient: RunningService, provider: Provider, behaviour: str
) -> None:
    client = patient.sign_in()
    provider.behave(behaviour, "png")
    failed, again = post(client), post(client)
    assert failed.json()["billed"] == "no"
    assert again.status_code == 201
    assert REPLAYED not in again.headers
    assert provider.paid_requests == 2
    assert post(client).json() == again.json()


@pytest.mark.case("C235")
def test_a_deleted_image_is_neither_shown_nor_bought_again(
    patient: RunningService, provider: Provider
) -> None:
    client = patient.sign_in()
    path = post(client).headers["location"]
    assert client.delete(path).status_code == 204
    again = post(client)
    assert (again.status_code, again.json()["code"]) == (410, "image_deleted")
    assert client.get(path).status_code == 404
    assert provider.paid_requests == 1


@pytest.mark.case("C236")
def test_users_can_use_the_same_key_independently(
    patient: RunningService, provider: Provider
) -> None:
    answers = [post(patient.sign_in()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["guid"] != answers[1].json()["guid"]
    assert provider.paid_requests == 2


@pytest.mark.case("C237")
@pytest.mark.parametrize("keys", [[""], ["k" * 256], ["k\u00e9y"], ["a", "b"], ["a\tb"]])
def test_an_invalid_key_is_named(patient: RunningService, keys: list[str]) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1")) for key in keys]
    answer = patient.sign_in().post("/image", json=BODY, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["location"] == ["header", "Idempotency-Key"]


@pytest.mark.case("C238")
def test_of_many_concurrent_requests_with_one_key_one_is_paid_for(
    patient: RunningService, provider: Provider
) -> None:
    client = patient.sign_in()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: post(client), range(24)))
    codes = {answer.json().get("code", "made") for answer in answers}
    assert codes <= {"made", "idempotency_key_in_use", "generation_busy"}
    assert len({a.headers["location"] for a in answers if a.status_code == 201}) == 1
    assert provider.paid_requests == 1


def wait_for_image(client: httpx2.Client, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        answer = client.get(path)
        if answer.status_code == 200 and answer.json()["status"] == "ready":
            details: dict[str, Any] = answer.json()
            return details
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)


def database_of(service: RunningService) -> Path:
    url = service.settings.database_url.get_secret_value()
    return Path(url.removeprefix("sqlite:///"))


@pytest.mark.case("C240")
def test_an_image_waits_while_its_row_can_t_be_written(
    patient: RunningService, provider: Provider
) -> None:
    client = patient.sign_in()
    with ThreadPoolExecutor(1) as threads, provider.holding():
        running = threads.submit(post, client)
        provider.wait_for_requests(1)
        # another write transaction: the table can be read but not written
        blocker = sqlite3.connect(database_of(patient), isolation_level=None, timeout=30)
        blocker.execute("BEGIN IMMEDIATE")
        provider.release()
        answer = running.result()
        blocker.execute("ROLLBACK")
        blocker.close()
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert int(answer.headers["retry-after"]) > 0
    image = wait_for_image(client, answer.headers["location"])
    assert client.get(f"/image/{image['guid']}/content").status_code == 200
    assert post(client).json() == image
    assert provider.paid_requests == 1


@pytest.mark.case("C241")
def test_an_image_that_can_t_be_stored_is_reported_as_billed(
    start_service: Callable[..., RunningService], provider: Provider
) -> None:
    service = start_service(
        generator="openai",
        openai_api_key="sk-secret",
        openai_base_url=provider.base_url,
        generation_timeout=3,
    )
    client = service.sign_in()
    staging = service.settings.data_dir / "images" / ".staging"
    with provider.holding(), ThreadPoolExecutor(1) as threads:
        posted = threads.submit(post, client)
        provider.wait_for_requests(1)
        # a file where the folder was
        shutil.rmtree(staging)
        staging.write_bytes(b"")
        provider.release()
        first = posted.result()
    staging.unlink()
    for answer in (first, post(client)):
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert (answer.json()["billed"], answer.json()["retryable"]) == ("yes", False)
    assert provider.paid_requests == 1
    files = [path.name for path in service.settings.data_dir.rglob("*") if path.is_file()]
    assert not [name for name in files if name.endswith((".png", ".part"))]
    critical = [line for line in service.log_lines() if " CRITICAL " in line]
    assert len([line for line in critical if "could not be stored" in line]) == 1


@pytest.mark.case("C242")
def test_the_provider_is_not_asked_if_the_claim_can_t_be_stored(
    patient: RunningService, provider: Provider
) -> None:
    client = patient.sign_in()
    client.get("/image")
    blocker = sqlite3.connect(database_of(patient), isolation_level=None, timeout=30)
    blocker.execute("BEGIN IMMEDIATE")
    answer = post(client)
    blocker.execute("ROLLBACK")
    blocker.close()
    assert (answer.status_code, answer.json()["code"]) == (503, "database_busy")
    assert int(answer.headers["retry-after"]) > 0
    assert provider.paid_requests == 0
