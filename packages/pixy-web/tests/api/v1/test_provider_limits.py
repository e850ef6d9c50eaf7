"""The limits that servers share, as clients of the OpenAI API meet them: case C1010."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from provider import Provider
from provider_answers import PNG, RATE_LIMIT_SECONDS
from running_service import RunningService

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
BODY = {"prompt": "a lighthouse"}


@pytest.fixture
def client(provider: Provider, start_service: Callable[..., RunningService]) -> httpx2.Client:
    """A client of a server with many slots and two places at the provider."""
    service = start_service(
        generator="openai",
        openai_api_key="sk-of-the-test",
        openai_base_url=provider.base_url,
        provider_places=2,
    )
    return service.key_client()


def ask_in_each_way(client: httpx2.Client) -> list[httpx2.Response]:
    return [
        client.post(GENERATIONS, json=BODY),
        client.post(GENERATIONS, json=BODY | {"stream": True}),
        client.post(GENERATIONS, json=BODY | {"n": 2}),
        client.post(EDITS, data=BODY, files=[("image", ("a.png", PNG))]),
        client.post(EDITS, data=BODY | {"stream": "true"}, files=[("image", ("a.png", PNG))]),
    ]


def read(answer: httpx2.Response) -> tuple[int, str, str, bool, str]:
    error = answer.json()["error"]
    return (
        answer.status_code,
        error["type"],
        error["code"],
        error["retryable"],
        error["billed"],
    )


BUSY = (503, "server_error", "generation_busy", True, "no")


@pytest.mark.case("C1010")
def test_without_a_place_each_kind_of_request_is_refused(
    client: httpx2.Client, provider: Provider
) -> None:
    with ThreadPoolExecutor(1) as threads, provider.holding():
        waiting = threads.submit(client.post, GENERATIONS, json=BODY | {"n": 2})
        provider.wait_for_requests(2)
        for answer in ask_in_each_way(client):
            assert read(answer) == BUSY
            assert int(answer.headers["retry-after"]) > 0
            assert "x-should-retry" not in answer.headers
    assert len(waiting.result().json()["data"]) == 2
    assert provider.paid_requests == 2


@pytest.mark.case("C1010")
def test_of_several_images_those_with_a_place_are_listed(
    client: httpx2.Client, provider: Provider
) -> None:
    # a place that becomes free while the request is read may be taken once more
    provider.latency = lambda: 0.5
    body = client.post(GENERATIONS, json=BODY | {"n": 5}).json()
    made = len(body["data"])
    assert 2 <= made < 5
    assert (body["error"]["failed"], body["error"]["code"]) == (5 - made, "generation_busy")
    assert provider.paid_requests == made


@pytest.mark.case("C1010")
def test_during_a_pause_each_kind_of_request_is_refused(
    client: httpx2.Client, provider: Provider
) -> None:
    provider.behave("rate_limit_exceeded", "png")
    limited = client.post(GENERATIONS, json=BODY)
    assert read(limited) == (503, "server_error", "provider_overloaded", True, "no")
    for answer in ask_in_each_way(client):
        assert read(answer) == BUSY
        assert 0 < int(answer.headers["retry-after"]) <= RATE_LIMIT_SECONDS
    assert provider.paid_requests == 1


def test_of_several_images_that_meet_a_rate_limit_none_is_asked_for_again(
    client: httpx2.Client, provider: Provider
) -> None:
    provider.behave("rate_limit_exceeded")
    answer = client.post(GENERATIONS, json=BODY | {"n": 2})
    assert answer.status_code == 503
    assert 0 < int(answer.headers["retry-after"]) <= RATE_LIMIT_SECONDS
    assert provider.paid_requests <= 2
