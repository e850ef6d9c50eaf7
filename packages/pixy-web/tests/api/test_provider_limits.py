"""Limits that two servers of one database share: cases C1008 and C1009."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from provider import Provider
from provider_answers import PNG, RATE_LIMIT_SECONDS
from running_service import RunningService, run_service


@pytest.fixture
def servers(
    provider: Provider, start_service: Callable[..., RunningService]
) -> Iterator[list[RunningService]]:
    """Two servers on one database, with two places at the provider together."""
    settings: dict[str, Any] = {
        "generator": "openai",
        "openai_api_key": "sk-of-the-test",
        "openai_base_url": provider.base_url,
        "provider_places": 2,
    }
    first = start_service(**settings)
    second = run_service(first.settings.data_dir, **settings)
    yield [first, second]
    second.stop()


def ask(client: httpx2.Client, prompt: str, key: str | None = None) -> httpx2.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/image", json={"prompt": prompt}, headers=headers)


@pytest.mark.case("C1008")
def test_what_is_over_the_places_of_all_servers_is_refused_at_once(
    servers: list[RunningService], provider: Provider
) -> None:
    name = servers[0].add_user()
    one, other = (server.client(name) for server in servers)
    assert ask(one, "earlier", "key").status_code == 201
    with ThreadPoolExecutor(2) as threads, provider.holding():
        waiting = [threads.submit(ask, client, "taken") for client in (one, other)]
        provider.wait_for_requests(3)
        for client in (one, other):
            refused = ask(client, "third", "third")
            assert (refused.status_code, refused.json()["code"]) == (503, "generation_busy")
            assert (refused.json()["billed"], refused.json()["retryable"]) == ("no", True)
            assert int(refused.headers["retry-after"]) > 0
            assert len(client.get("/image?status=pending").json()) == 2
        assert ask(other, "earlier", "key").headers["idempotent-replayed"] == "true"
        sent = {"Content-Type": "image/png"}
        assert other.post("/image/upload", content=PNG, headers=sent).status_code == 201
    assert [future.result().status_code for future in waiting] == [201, 201]
    assert provider.paid_requests == 3
    assert ask(other, "third", "third").status_code == 201


@pytest.mark.case("C1009")
def test_after_a_rate_limit_every_server_waits_as_long_as_the_provider_wants(
    servers: list[RunningService], provider: Provider
) -> None:
    name = servers[0].add_user()
    one, other = (server.client(name) for server in servers)
    provider.behave("rate_limit_exceeded", "png")
    limited = ask(one, "too much")
    assert (limited.status_code, limited.json()["code"]) == (503, "provider_overloaded")
    assert limited.headers["retry-after"] == str(RATE_LIMIT_SECONDS)
    for client in (other, one):
        refused = ask(client, "meanwhile", "key")
        assert (refused.status_code, refused.json()["code"]) == (503, "generation_busy")
        assert refused.json()["billed"] == "no"
        assert 0 < int(refused.headers["retry-after"]) <= RATE_LIMIT_SECONDS
    assert provider.paid_requests == 1
    assert client.get("/image?status=pending").json() == []
