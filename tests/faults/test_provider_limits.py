"""Limits of requests to the provider that two servers share: rows F99 to F101."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from deployment import PLACES, Deployment, wait_until
from installed_pixy import InstalledPixy
from provider_answers import RATE_LIMIT_SECONDS

CLIENTS, IMAGES = 12, 4


@pytest.fixture
def deployment(deploy: Callable[..., Deployment]) -> Deployment:
    """A running deployment with as many places at the provider as slots in the process."""
    deployment = deploy(PIXY_PROVIDER_PLACES=str(PLACES))
    deployment.pixy.start()
    return deployment


@pytest.fixture
def second(deployment: Deployment) -> Iterator[InstalledPixy]:
    """A second server on the database and data folder of the deployment."""
    folder = deployment.pixy.folder / "second"
    folder.mkdir()
    second = InstalledPixy(folder, **deployment.pixy.environment)
    second.start()
    yield second
    deployment.provider.latency = lambda: 0.0
    second.stop()


def post(server: InstalledPixy, prompt: str) -> tuple[int, str | None]:
    """Create an image as ada, and return the status and the code of the error."""
    with server.client("ada") as ada:
        answer = ada.post("/image", json={"prompt": prompt})
    return answer.status_code, answer.json().get("code")


BUSY = (503, "generation_busy")


@pytest.mark.fault("F99")
def test_two_servers_never_ask_for_more_images_at_once_than_there_are_places(
    deployment: Deployment, second: InstalledPixy
) -> None:
    provider, servers = deployment.provider, (deployment.pixy, second)
    provider.most_at_once = 0
    provider.latency = lambda: 0.05

    def make_images(client: int) -> None:
        for image in range(IMAGES):
            for attempt in count():
                server = servers[(client + image + attempt) % 2]
                outcome = post(server, f"client {client}, image {image}")
                if outcome == (201, None):
                    break
                assert outcome in (BUSY, (503, "database_busy"))

    before = provider.paid_requests
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(make_images, range(CLIENTS)))
    assert provider.paid_requests == before + CLIENTS * IMAGES
    assert provider.most_at_once <= PLACES
    assert deployment.query("SELECT place FROM creations WHERE place IS NOT NULL") == []


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("F100")
def test_the_places_of_a_killed_server_are_free_once_its_images_are_judged(
    deployment: Deployment, second: InstalledPixy
) -> None:
    provider = deployment.provider
    before = provider.paid_requests
    with ThreadPoolExecutor(PLACES) as threads, provider.holding():
        lost = [
            threads.submit(post, deployment.pixy, f"dies meanwhile, {n}") for n in range(PLACES)
        ]
        provider.wait_for_requests(before + PLACES)
        deployment.crash()
        assert all(future.exception() for future in lost)
        assert post(second, "too early") == BUSY
    wait_until(lambda: "pending" not in deployment.creations().values())
    assert list(deployment.creations().values()) == ["unknown"] * PLACES
    with ThreadPoolExecutor(PLACES) as threads:
        made = [threads.submit(post, second, f"afterwards, {n}") for n in range(PLACES)]
    assert [future.result() for future in made] == [(201, None)] * PLACES


@pytest.mark.fault("F101")
def test_after_a_rate_limit_no_server_asks_until_its_time_has_passed(
    deployment: Deployment, second: InstalledPixy
) -> None:
    provider = deployment.provider
    before = provider.paid_requests
    provider.behave("rate_limit_exceeded", "png")
    limited = deployment.post("too much")
    assert (limited.status_code, limited.json()["code"]) == (503, "provider_overloaded")
    for server in (second, deployment.pixy):
        with server.client("ada") as ada:
            refused = ada.post("/image", json={"prompt": "meanwhile"})
        assert (refused.status_code, refused.json()["code"]) == BUSY
        assert 0 < int(refused.headers["retry-after"]) <= RATE_LIMIT_SECONDS
    assert provider.paid_requests == before + 1
    wait_until(lambda: post(second, "later") == (201, None))
    assert provider.paid_requests == before + 2
