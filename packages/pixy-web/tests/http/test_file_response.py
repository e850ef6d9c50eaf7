"""Files that are sent in parts: to slow clients, and while the files change."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx2
import pytest

from provider_answers import LARGE_PNG
from running_service import RunningService

SOME = 100_000


@dataclass
class Large:
    """A public image of 12 MB, the client of its owner, and the service."""

    service: RunningService
    owner: httpx2.Client
    guid: str

    @property
    def path(self) -> Path:
        (path,) = self.service.settings.data_dir.rglob(f"{self.guid}.png")
        return path

    def ask(self, *, headers: str = "", then: bytes = b"") -> "Reader":
        """Request it from a client with a very small receive buffer."""
        request = f"GET /image/{self.guid}/content HTTP/1.1\r\nHost: a\r\n{headers}\r\n"
        return Reader(self.service.url, request.encode() + then)


class Reader:
    """A client that reads only on demand."""

    def __init__(self, url: str, request: bytes) -> None:
        address = urlsplit(url)
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.connection.settimeout(20)
        self.connection.connect((address.hostname, address.port))
        self.connection.sendall(request)
        self._stream = self.connection.makefile("rb")

    def head(self) -> bytes:
        return b"".join(iter(self._stream.readline, b"\r\n"))

    def read(self, count: int) -> bytes:
        return self._stream.read(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self.connection.close()


def add_large(service: RunningService) -> Large:
    owner = service.sign_in()
    return Large(service, owner, service.make_image(owner, "x", "public", LARGE_PNG)["guid"])


@pytest.fixture(scope="module")
def large(service: RunningService) -> Large:
    """One for all tests that don't change it."""
    return add_large(service)


@pytest.fixture
def own_large(fresh: RunningService) -> Large:
    return add_large(fresh)


def wait_for_end(large: Large) -> list[str]:
    """Wait until the request for the content has ended, and return its log."""
    ends: list[str] = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = large.service.log_lines()
        starts = [line for line in lines if f"REQUEST START GET /image/{large.guid}/c" in line]
        request_id = starts[-1].split()[3]
        ends = [line for line in lines if f" {request_id} " in line and "REQUEST END" in line]
        if ends:
            break
        time.sleep(0.05)
    assert ends, "the request did not end"
    return [line for line in lines if f" {request_id} " in line]


def test_a_slow_client_gets_the_whole_file_and_delays_nobody(large: Large) -> None:
    with large.ask() as reader:
        reader.head()
        begun = reader.read(SOME)
        assert large.owner.get(f"/image/{large.guid}").status_code == 200
        assert begun + reader.read(len(LARGE_PNG) - SOME) == LARGE_PNG
    assert wait_for_end(large)[-1].split()[8] == "200"


def test_a_slow_client_gets_the_requested_range(large: Large) -> None:
    with large.ask(headers="Range: bytes=1000-9000999\r\n") as reader:
        assert b"content-range: bytes 1000-9000999/" in reader.head()
        assert reader.read(9_000_000) == LARGE_PNG[1000:9_001_000]


def test_a_request_sent_during_the_response_is_answered_after_it(large: Large) -> None:
    second = f"GET /image/{large.guid}/content HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n"
    third = "GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with large.ask(then=(second + third).encode()) as reader:
        assert b" 200 " in reader.head()
        assert reader.read(len(LARGE_PNG)) == LARGE_PNG
        assert b" 206 " in reader.head()
        assert reader.read(10) == LARGE_PNG[:10]
        assert b" 200 " in reader.head()


def test_a_client_that_leaves_is_no_error(large: Large) -> None:
    with large.ask() as reader:
        reader.head()
        reader.read(SOME)
    lines = wait_for_end(large)
    assert lines[-1].split()[8] == "499"
    assert not [line for line in large.service.log_lines() if " ERROR " in line]


def test_a_client_that_leaves_before_the_answer_begins_is_no_error(own_large: Large) -> None:
    for _ in range(20):
        with own_large.ask():
            pass
    lines = own_large.service.log_lines()
    statuses = {line.split()[8] for line in lines if "REQUEST END" in line and "ms" in line}
    assert statuses <= {"200", "201", "499"}
    assert not [line for line in lines if " ERROR " in line]


def test_a_client_that_closes_its_sending_side_gets_the_whole_file(large: Large) -> None:
    with large.ask() as reader:
        reader.head()
        begun = reader.read(SOME)
        reader.connection.shutdown(socket.SHUT_WR)
        assert begun + reader.read(len(LARGE_PNG) - SOME) == LARGE_PNG


def test_an_image_that_is_deleted_during_the_response_is_sent_whole(own_large: Large) -> None:
    with own_large.ask() as reader:
        reader.head()
        begun = reader.read(SOME)
        assert own_large.owner.delete(f"/image/{own_large.guid}").status_code == 204
        assert begun + reader.read(len(LARGE_PNG) - SOME) == LARGE_PNG


@pytest.mark.parametrize("damage", ["shorten", "change"])
def test_a_file_that_is_damaged_during_the_response_ends_early(
    own_large: Large, damage: str
) -> None:
    with own_large.ask() as reader:
        reader.head()
        received = reader.read(SOME)
        if damage == "shorten":
            os.truncate(own_large.path, 9_000_000)
        else:
            with own_large.path.open("r+b") as file:
                file.seek(len(LARGE_PNG) - 100)
                file.write(b"not what was stored")
        received += reader.read(len(LARGE_PNG))
    assert LARGE_PNG.startswith(received)
    assert len(received) < len(LARGE_PNG)
    lines = wait_for_end(own_large)
    assert lines[-1].split()[8] == "500"
    assert any("breaks off: ContentDamagedError" in line for line in lines)
    assert not any("Traceback" in line for line in lines)


def test_the_other_parser_sends_the_same(start_service: Callable[..., RunningService]) -> None:
    large = add_large(start_service(http_parser="h11"))
    with large.ask() as reader:
        reader.head()
        assert reader.read(len(LARGE_PNG)) == LARGE_PNG
