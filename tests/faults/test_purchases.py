"""No image is paid twice, as counted by the provider: row F22."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from deployment import Deployment

PAIRS = {"sqlite": 100, "mysql": 1000}
"""Fewer on SQLite, where writers wait for each other."""
AT_ONCE = 50


@pytest.mark.slow
@pytest.mark.fault("F22")
def test_each_of_a_thousand_pairs_of_duplicates_is_paid_once(
    deploy: Callable[..., Deployment],
) -> None:
    deployment = deploy(PIXY_GENERATION_CONCURRENCY="16")
    deployment.pixy.start()
    paid = deployment.provider.paid_requests
    wanted = PAIRS[deployment.database_url.partition(":")[0]]

    def post_pairs(numbers: range) -> list[list[httpx2.Response]]:
        with (
            deployment.client() as one,
            deployment.client() as other,
            ThreadPoolExecutor(2) as pair,
        ):
            return [list(pair.map(post, (one, other), (number, number))) for number in numbers]

    def post(client: httpx2.Client, number: int) -> httpx2.Response:
        while True:
            answer = client.post(
                "/image",
                json={"prompt": f"wanted once, {number}"},
                headers={"Idempotency-Key": f"pair-{number}"},
            )
            if answer.status_code == 201:
                return answer
            assert answer.status_code in (409, 503), answer.text
            time.sleep(0.05)  # like a client that gets Retry-After

    with ThreadPoolExecutor(4) as threads:
        parts = [range(start, wanted, 4) for start in range(4)]
        pairs = [pair for part in threads.map(post_pairs, parts) for pair in part]
    assert len(pairs) == wanted
    assert all(one.json()["guid"] == other.json()["guid"] for one, other in pairs)
    replays = sum("idempotent-replayed" in answer.headers for pair in pairs for answer in pair)
    assert replays == wanted
    assert deployment.provider.paid_requests - paid == wanted
    assert len(deployment.rows()) == wanted


@pytest.mark.fault("F22")
def test_of_fifty_concurrent_duplicates_one_is_paid(deployment: Deployment) -> None:
    paid, rows = deployment.provider.paid_requests, len(deployment.rows())
    with ThreadPoolExecutor(AT_ONCE) as threads:
        with deployment.provider.holding():
            posted = [
                threads.submit(deployment.post, "wanted by fifty", "fifty") for _ in range(AT_ONCE)
            ]
            deployment.provider.wait_for_requests(paid + 1)
        answers = [each.result() for each in posted]
    assert set(Counter(answer.status_code for answer in answers)) <= {201, 409, 503}
    made = {answer.json()["guid"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert deployment.provider.paid_requests == paid + 1
    assert len(deployment.rows()) == rows + 1


@pytest.mark.fault("F22")
def test_a_key_with_another_request_is_refused(deployment: Deployment) -> None:
    first = deployment.post("what the key stands for", "one")
    assert first.status_code == 201
    again = deployment.post("what the key stands for", "one")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = deployment.post("something else", "one")
    assert other.status_code == 422
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            running = threads.submit(deployment.post, "takes its time", "two")
            deployment.provider.wait_for_requests(paid + 1)
            meanwhile = deployment.post("takes its time", "two")
            assert meanwhile.status_code == 409
            assert int(meanwhile.headers["retry-after"]) > 0
        assert running.result().status_code == 201
    assert deployment.provider.paid_requests == paid + 1


@pytest.mark.fault("F22")
def test_a_creation_that_failed_without_cost_runs_again(deployment: Deployment) -> None:
    deployment.provider.behave("overloaded", "png")
    assert deployment.post("refused at first", "three").status_code == 503
    retried = deployment.post("refused at first", "three")
    assert retried.status_code == 201
    assert "idempotent-replayed" not in retried.headers
    assert deployment.provider.purchases.count("refused at first") == 1
