"""Many concurrent creates, and clients that never read: rows F18 and F19."""

import socket
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest

from deployment import Deployment, wait_until
from installed_pixy import PASSWORD
from lazy_downloads import lazy_downloads, read_resident_memory
from provider_answers import LARGE_PNG


@pytest.mark.fault("F18")
def test_of_200_concurrent_creates_16_run(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy(PIXY_GENERATION_CONCURRENCY="16")
    deployment.pixy.start()
    guid = deployment.make_image()
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(200) as threads, deployment.client() as ada:
        with deployment.provider.holding():
            posted = [
                threads.submit(deployment.post, f"one of many, {number}") for number in range(200)
            ]
            wait_until(lambda: sum(each.done() for each in posted) == 184)
            # all slots are in use, and reads continue
            for _ in range(50):
                assert ada.get(f"/image/{guid}").status_code == 200
        answers = [each.result() for each in posted]
    assert Counter(answer.status_code for answer in answers) == {201: 16, 503: 184}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 503}
    assert refused == {"generation_busy"}
    assert all("retry-after" in answer.headers for answer in answers if answer.is_error)
    assert deployment.provider.paid_requests == paid + 16
    assert len(deployment.rows()) == 17


@pytest.mark.fault("F19")
def test_clients_that_never_read_delay_nobody(deployment: Deployment) -> None:
    guid = deployment.make_image()
    address = urlsplit(deployment.pixy.url)
    credentials = b64encode(f"ada:{PASSWORD}".encode()).decode()
    head = f"GET /image HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {credentials}\r\n\r\n"
    with ExitStack() as stack:
        # more clients than threads; each sends many requests and reads nothing
        for _ in range(32):
            lazy = socket.create_connection((address.hostname, address.port))
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            stack.enter_context(lazy)
            lazy.settimeout(0.2)
            # the server stops reading until the first answers are read
            with suppress(TimeoutError):
                lazy.sendall(head.encode() * 200)
        with deployment.client() as ada:
            for _ in range(20):
                assert ada.get(f"/image/{guid}/content").status_code == 200
        deployment.use_every_place()
        deployment.killed_in_flight += len(deployment.requests_without_end())


@pytest.mark.fault("F19")
def test_clients_that_never_read_take_no_memory(deployment: Deployment) -> None:
    deployment.provider.behave("large")
    guid = deployment.make_image()
    path = f"/image/{guid}/content"
    with deployment.client() as ada:
        assert ada.get(path).content == LARGE_PNG
    before = read_resident_memory(deployment.pixy.pid)
    with lazy_downloads(deployment.pixy, path, 40):
        # each holds one part, not the 12 MB that it has requested
        growth = read_resident_memory(deployment.pixy.pid) - before
        assert growth < 2 * len(LARGE_PNG)
        deployment.killed_in_flight += len(deployment.requests_without_end())
    deployment.provider.behave("png")
