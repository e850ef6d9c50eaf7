"""Clients of `/v1` that got no answer, and their retries: rows F83 to F85."""

import contextlib
import json
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import httpx2
import pytest

from deployment import Deployment, wait_until
from provider_answers import LARGE_PNG

PATH = "/v1/images/generations"
RETRY = {"x-stainless-retry-count": "1"}
CLIENTS = 4
ROUNDS = 5


class KeyClient:
    """A client with an API key, whose first attempts get no answer."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        wanted = {"name": "retries", "scopes": ["read", "create"]}
        with deployment.pixy.client("ada") as ada:
            self._key = ada.post("/key", json=wanted).raise_for_status().json()["key"]

    @contextlib.contextmanager
    def attempt(self, prompt: str) -> Iterator[socket.socket]:
        """Send a request, and reset the connection at the end of the block."""
        body = json.dumps({"prompt": prompt}).encode()
        address = urlsplit(self._deployment.pixy.url)
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n\r\n"
        )
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(60)
            connection.connect((address.hostname, address.port))
            connection.sendall(head.encode() + body)
            yield connection
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def retry(self, prompt: str) -> httpx2.Response:
        """Send the request again, as the OpenAI SDKs do."""
        # not recorded: its errors are in another shape
        with self._deployment.pixy.client(None) as client:
            client.timeout = 120
            headers = RETRY | {"Authorization": f"Bearer {self._key}"}
            return client.post(PATH, json={"prompt": prompt}, headers=headers)


def guid_of(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    guid: str = answer.json()["data"][0]["guid"]
    return guid


@pytest.mark.fault("F83")
@pytest.mark.parametrize(
    "moment",
    [
        "before the answer",
        pytest.param("after the head", marks=pytest.mark.slow),
        "amid the body",
    ],
)
def test_a_client_that_left_gets_its_image_by_a_retry(deployment: Deployment, moment: str) -> None:
    provider = deployment.provider
    client, prompt, paid = KeyClient(deployment), f"left {moment}", provider.paid_requests
    provider.answer_with(LARGE_PNG)
    if moment == "before the answer":
        with provider.holding(), client.attempt(prompt):
            provider.wait_for_requests(paid + 1)
    else:
        most = 1 if moment == "after the head" else 1_000_000
        with client.attempt(prompt) as connection:
            received = 0
            while received < most:
                received += len(connection.recv(65536))
    assert guid_of(client.retry(prompt)) in deployment.rows()
    assert provider.paid_requests == paid + 1
    provider.behave("png")


@pytest.mark.slow
@pytest.mark.fault("F84")
def test_a_retry_after_a_crash_at_the_provider_is_told_that_the_outcome_is_unknown(
    deploy: Callable[..., Deployment],
) -> None:
    deployment = deploy()
    deployment.pixy.start()
    client, provider = KeyClient(deployment), deployment.provider
    paid = provider.paid_requests
    with provider.holding(), client.attempt("a crash"):
        provider.wait_for_requests(paid + 1)
        deployment.crash()
    deployment.pixy.start()
    # it waits until recovery has judged
    answer = client.retry("a crash")
    assert (answer.status_code, answer.json()["error"]["code"]) == (424, "outcome_unknown")
    assert answer.headers["x-should-retry"] == "false"
    assert provider.paid_requests == paid + 1


@pytest.mark.fault("F84")
def test_a_retry_after_a_crash_before_the_delivery_gets_the_image(
    deploy: Callable[..., Deployment],
) -> None:
    deployment = deploy()
    deployment.pixy.start()
    client, provider = KeyClient(deployment), deployment.provider
    paid = provider.paid_requests
    provider.answer_with(LARGE_PNG)
    with client.attempt("a lost answer") as connection:
        connection.recv(1)
        (guid,) = deployment.rows()
        deployment.crash()
    deployment.pixy.start()
    assert guid_of(client.retry("a lost answer")) == guid
    assert provider.paid_requests == paid + 1
    provider.behave("png")


@pytest.mark.fault("F85")
def test_retries_at_another_worker_buy_nothing(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy(PIXY_WORKERS="2")
    deployment.pixy.start()
    client, provider = KeyClient(deployment), deployment.provider
    for number in range(ROUNDS):
        prompts = [f"two workers, {number}, {client}" for client in range(CLIENTS)]
        paid = provider.paid_requests
        with provider.holding():
            with contextlib.ExitStack() as attempts:
                for prompt in prompts:
                    attempts.enter_context(client.attempt(prompt))
                provider.wait_for_requests(paid + CLIENTS)
            with ThreadPoolExecutor(CLIENTS) as threads:
                retries = [threads.submit(client.retry, prompt) for prompt in prompts]
                wait_until(partial(are_taken, deployment), "all to be taken")
                provider.release()
                guids = {guid_of(retry.result()) for retry in retries}
        assert len(guids) == CLIENTS
        assert provider.paid_requests == paid + CLIENTS


def are_taken(deployment: Deployment) -> bool:
    """Return whether a retry has taken each creation over."""
    rows = deployment.query("SELECT guid, taker FROM creations")
    return all(taker not in (guid, "-") for guid, taker in rows)
