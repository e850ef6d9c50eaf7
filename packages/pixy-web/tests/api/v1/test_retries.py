"""Retries of clients that got no answer: cases C992 to C996.

Each client is a socket of its own, which is closed when the test says so.
"""

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from provider import Provider
from provider_answers import LARGE_PNG
from running_service import RunningService

PATH = "/v1/images/generations"
BODY = {"prompt": "a lighthouse"}


class Hasty:
    """A client that sends requests and leaves when it likes."""

    def __init__(self, service: RunningService, key: str) -> None:
        self._address = urlsplit(service.url)
        self._key = key

    @contextmanager
    def asking(self, **members: Any) -> Iterator[socket.socket]:
        """Send a request, and leave at the end of the block."""
        body = json.dumps(BODY | members).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {self._address.netloc}\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.socket() as connection:
            # so that the server can't send much that is never read
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((self._address.hostname, self._address.port))
            connection.settimeout(30)
            connection.sendall(head.encode() + body)
            yield connection
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def key(patient: RunningService) -> str:
    return patient.add_key(patient.add_user())


@pytest.fixture
def hasty(patient: RunningService, key: str) -> Hasty:
    return Hasty(patient, key)


@pytest.fixture
def generate(patient: RunningService, key: str) -> Callable[..., httpx2.Response]:
    """Return a function that sends a request with a retry count, as the SDKs do."""
    client = patient.client()
    client.headers["Authorization"] = f"Bearer {key}"

    def send(count: int | str | None = 1, **members: Any) -> httpx2.Response:
        headers = {} if count is None else {"x-stainless-retry-count": str(count)}
        return client.post(PATH, json=BODY | members, headers=headers)

    return send


def guids_of(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["guid"] for item in answer.json()["data"]]


def wait_for_end(service: RunningService, number: int, status: int = 499) -> None:
    """Return when so many requests have ended with a status."""
    deadline = time.monotonic() + 30
    while sum(f"REQUEST END {status}" in x for x in service.log.getvalue().splitlines()) < number:
        assert time.monotonic() < deadline, service.log.getvalue()
        time.sleep(0.01)


def leave_while_it_is_made(service: RunningService, provider: Provider, hasty: Hasty) -> None:
    """Send a request, and leave once the provider is asked; return when the server knows that."""
    with hasty.asking():
        provider.wait_for_requests(1)
    wait_for_end(service, 1)


@pytest.mark.case("C992")
def test_a_client_that_left_before_the_answer_gets_its_image_by_a_retry(
    patient: RunningService,
    provider: Provider,
    hasty: Hasty,
    generate: Callable[..., httpx2.Response],
) -> None:
    with provider.holding():
        leave_while_it_is_made(patient, provider, hasty)
        with ThreadPoolExecutor(1) as threads:
            # it waits for what is still being made
            retry = threads.submit(generate)
            provider.release()
            (made,) = guids_of(retry.result())
    assert provider.paid_requests == 1
    # the delivery is noted before the request ends
    patient.log_lines()
    assert guids_of(generate(2)) != [made]
    assert provider.paid_requests == 2


@pytest.mark.case("C992")
def test_several_images_are_taken_over_each(
    patient: RunningService,
    provider: Provider,
    hasty: Hasty,
    generate: Callable[..., httpx2.Response],
) -> None:
    with provider.holding():
        with hasty.asking(n=2):
            provider.wait_for_requests(2)
        wait_for_end(patient, 1)
    assert len(set(guids_of(generate(n=2)))) == 2
    assert provider.paid_requests == 2


@pytest.mark.case("C992")
@pytest.mark.parametrize("count", [None, "0", "00", "-1", "one", ""])
def test_a_request_that_is_no_retry_takes_nothing_over(
    patient: RunningService,
    provider: Provider,
    hasty: Hasty,
    generate: Callable[..., httpx2.Response],
    count: str | None,
) -> None:
    with provider.holding(), hasty.asking():
        provider.wait_for_requests(1)
    wait_for_end(patient, 1)
    guids_of(generate(count))
    assert provider.paid_requests == 2


@pytest.mark.case("C993")
@pytest.mark.parametrize("read", [1, 200_000])
def test_a_client_that_left_amid_the_answer_gets_its_image_by_a_retry(
    patient: RunningService,
    provider: Provider,
    hasty: Hasty,
    generate: Callable[..., httpx2.Response],
    read: int,
) -> None:
    # more than fits into the buffers of the connection
    provider.answer_with(LARGE_PNG)
    with hasty.asking() as connection:
        received = 0
        while received < read:
            received += len(connection.recv(65536))
    wait_for_end(patient, 1)
    answer = generate()
    (guid,) = guids_of(answer)
    assert provider.paid_requests == 1
    assert answer.headers["location"] == f"/image/{guid}"


@pytest.mark.case("C994")
def test_retries_of_two_clients_get_an_image_each(
    patient: RunningService,
    provider: Provider,
    hasty: Hasty,
    generate: Callable[..., httpx2.Response],
) -> None:
    with provider.holding():
        with hasty.asking(), hasty.asking():
            provider.wait_for_requests(2)
        wait_for_end(patient, 2)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: generate(), range(2)))
    assert len({guids_of(answer)[0] for answer in answers}) == 2
    assert provider.paid_requests == 2


@pytest.mark.case("C994")
def test_two_retries_at_once_buy_one_image(
    patient: RunningService,
    provider: Provider,
    hasty: Hasty,
    generate: Callable[..., httpx2.Response],
) -> None:
    with provider.holding():
        leave_while_it_is_made(patient, provider, hasty)
        with ThreadPoolExecutor(2) as threads:
            retries = [threads.submit(generate) for _ in range(2)]
            time.sleep(0.3)
            provider.release()
            assert guids_of(retries[0].result()) == guids_of(retries[1].result())
    assert provider.paid_requests == 1


@pytest.mark.case("C995")
@pytest.mark.parametrize(("behaviour", "billed"), [("reset", "unknown"), ("null_data", "yes")])
def test_a_failure_that_was_not_told_is_told_to_the_retry(
    patient: RunningService,
    provider: Provider,
    hasty: Hasty,
    generate: Callable[..., httpx2.Response],
    *,
    behaviour: str,
    billed: str,
) -> None:
    provider.behave(behaviour, "png")
    with provider.holding():
        leave_while_it_is_made(patient, provider, hasty)
    answer = generate()
    assert (answer.status_code, answer.json()["error"]["billed"]) == (424, billed)
    assert answer.headers["x-should-retry"] == "false"
    assert provider.paid_requests == 1


@pytest.mark.case("C995")
def test_a_failure_that_cost_nothing_is_tried_again(
    provider: Provider, generate: Callable[..., httpx2.Response]
) -> None:
    provider.behave("overloaded", "png")
    assert generate(0).status_code == 503
    guids_of(generate(1))
    assert provider.paid_requests == 2


@pytest.mark.case("C996")
def test_a_deleted_image_is_neither_sent_nor_bought_again(
    patient: RunningService, provider: Provider
) -> None:
    user = patient.add_user()
    changing = patient.add_key(user, "read", "create", "change")
    hasty = Hasty(patient, changing)
    owner = patient.client()
    owner.headers["Authorization"] = f"Bearer {changing}"
    with provider.holding():
        leave_while_it_is_made(patient, provider, hasty)
    deadline = time.monotonic() + 30
    while not (images := owner.get("/image").json()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert owner.delete(f"/image/{images[0]['guid']}").status_code == 204
    answer = owner.post(PATH, json=BODY, headers={"x-stainless-retry-count": "1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "image_deleted")
    assert answer.headers["x-should-retry"] == "false"
    assert provider.paid_requests == 1
