"""A process that runs out of descriptors: rows F43 and F44."""

import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from deployment import Deployment, wait_until
from installed_pixy import PASSWORD

IMAGES = 12
SETTINGS = {
    "PIXY_GENERATION_CONCURRENCY": str(IMAGES),
    "PIXY_THREADS": "2",
    "PIXY_MAX_UPLOADS": "1",
}
LIMIT = 512


@contextmanager
def open_connections(
    deployment: Deployment, count: int, sent: bytes
) -> Iterator[list[socket.socket]]:
    """Open connections, send these bytes on each, and read nothing."""
    address = urlsplit(deployment.pixy.url)
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.socket())
            connection.settimeout(60)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((address.hostname, address.port))
            connection.sendall(sent)
            connections.append(connection)
        yield connections


@contextmanager
def images_in_the_making(deployment: Deployment, name: str) -> Iterator[ExitStack]:
    """Make images while the connections of the stack are still open."""
    paid = deployment.provider.paid_requests
    with ExitStack() as stack, ThreadPoolExecutor(IMAGES) as threads:
        with deployment.provider.holding():
            posted = [threads.submit(deployment.post, f"{name}, {n}") for n in range(IMAGES)]
            deployment.provider.wait_for_requests(paid + IMAGES)
            yield stack
        assert [each.result().status_code for each in posted] == [201] * IMAGES


@pytest.mark.fault("F43")
@pytest.mark.parametrize(
    "sent", [b"", pytest.param(b"GET /image HTTP/1.1\r\nHost: a\r\n", marks=pytest.mark.slow)]
)
def test_idle_connections_leave_descriptors_for_pending_images(
    deploy: Callable[..., Deployment], sent: bytes
) -> None:
    deployment = deploy(**SETTINGS)
    deployment.pixy.start(descriptors=LIMIT)
    with images_in_the_making(deployment, f"with {len(sent)} bytes") as stack:
        stack.enter_context(open_connections(deployment, 2 * LIMIT, sent))
        with deployment.client() as ada:
            assert ada.get("/image").status_code == 200
    assert len(deployment.rows()) == IMAGES
    assert "EMFILE" not in deployment.pixy.log


@pytest.mark.fault("F44")
def test_slow_downloads_leave_descriptors_for_pending_images(
    deploy: Callable[..., Deployment],
) -> None:
    deployment = deploy(**SETTINGS)
    deployment.pixy.start(descriptors=LIMIT)
    deployment.provider.behave("large")
    path = f"/image/{deployment.make_image('a large one')}/content"
    deployment.provider.behave("png")
    credentials = b64encode(f"ada:{PASSWORD}".encode()).decode()
    sent = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {credentials}\r\n\r\n"
    with images_in_the_making(deployment, "among downloads") as stack:
        readers = stack.enter_context(open_connections(deployment, LIMIT, sent.encode()))
        assert {reader.recv(12) for reader in readers} == {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    deployment.killed_in_flight = len(deployment.requests_without_end())
    assert len(deployment.rows()) == IMAGES + 1
    with deployment.pixy.client("ada") as ada:
        # the server notices one after the other that they are gone
        wait_until(lambda: ada.get(path).status_code == 200)


@pytest.mark.fault("F43")
def test_a_descriptor_limit_that_is_too_low_is_refused_at_the_start(
    deploy: Callable[..., Deployment],
) -> None:
    with pytest.raises(RuntimeError, match="ulimit -n"):
        deploy(**SETTINGS).pixy.start(descriptors=100)
