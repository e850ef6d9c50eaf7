"""The server of `/metrics`."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pixy_web.metrics.server import _MOST_CLIENTS, serving
from pixy_web.server.run import bind


class Gate(Collector):
    """Yields one metric once it is open; fails if it is broken."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.is_broken = False

    def collect(self) -> Iterator[Metric]:
        self.open.wait()
        if self.is_broken:
            raise RuntimeError("a secret detail")
        yield GaugeMetricFamily("pixy_test", "A test.", value=1)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def address(gate: Gate) -> Iterator[tuple[str, int]]:
    listener = bind("127.0.0.1", 0)
    name: tuple[str, int] = listener.getsockname()
    with serving(gate, [listener]):
        yield name
        gate.open.set()


def ask(address: tuple[str, int], method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*address, timeout=30)
    try:
        connection.request(method, "/metrics")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_metrics_are_served(address: tuple[str, int]) -> None:
    status, body = ask(address)
    assert status == 200
    assert b"\npixy_test 1.0\n" in body


def test_an_error_is_logged_and_not_told(
    address: tuple[str, int], gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.is_broken = True
    status, body = ask(address)
    assert status == 500
    assert b"secret" not in body
    assert "a secret detail" in caplog.text
    gate.is_broken = False
    assert ask(address)[0] == 200


def test_clients_that_wait_take_a_limited_number_of_threads(
    address: tuple[str, int], gate: Gate
) -> None:
    waiting = [socket.create_connection(address) for _ in range(_MOST_CLIENTS)]
    # the next one is closed at once; by then all others have been accepted
    with socket.create_connection(address, timeout=30) as further:
        assert further.recv(1) == b""
    for client in waiting:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    for client in waiting:
        assert client.recv(65536).startswith(b"HTTP/1.0 200")
        client.close()


def test_the_port_is_closed_afterwards(gate: Gate) -> None:
    listener = bind("127.0.0.1", 0)
    address = listener.getsockname()
    with serving(gate, [listener]):
        assert ask(address)[0] == 200
    with pytest.raises(ConnectionRefusedError):
        ask(address)


def test_requests_are_served_at_the_same_time(address: tuple[str, int], gate: Gate) -> None:
    gate.open.clear()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(address)[0])) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert ask(address, "POST")[0] == 404
    gate.open.set()
    for thread in threads:
        thread.join()
    assert answers == [200, 200]


def drip(client: socket.socket, deadline: float) -> bool:
    """Send a byte every few milliseconds, and return whether the server cuts the connection."""
    client.sendall(b"GET /metrics HTTP/1.0\r\nX-Slow: ")
    try:
        while time.monotonic() < deadline:
            client.sendall(b"x")
            time.sleep(0.02)
    except OSError:
        return True
    return False


def test_a_client_that_sends_byte_by_byte_loses_its_place(gate: Gate) -> None:
    listener = bind("127.0.0.1", 0)
    with serving(gate, [listener], timeout=0.5):
        address = listener.getsockname()
        slow = [socket.create_connection(address) for _ in range(_MOST_CLIENTS)]
        deadline = time.monotonic() + 8  # less than a silent client has
        assert all(drip(client, deadline) for client in slow)
        assert ask(address)[0] == 200
        for client in slow:
            client.close()
