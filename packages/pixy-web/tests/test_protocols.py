"""What uvicorn's parsers leave open, over a real socket."""

import socket
import time
from urllib.parse import urlsplit

import pytest

from running_service import RunningService

END = b"Connection: close\r\n\r\n"


def connect(service: RunningService) -> socket.socket:
    address = urlsplit(service.url)
    return socket.create_connection((str(address.hostname), address.port or 0), timeout=10)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_method_that_the_parser_does_not_know_is_one_more_method(fresh: RunningService) -> None:
    with connect(fresh) as connection:
        connection.sendall(b"BREW /image HTTP/1.1\r\nHost: a\r\n" + END)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"allow: GET, HEAD, POST" in answer
    assert [line.rpartition("] ")[2] for line in fresh.log_lines() if "REQUEST START" in line] == [
        "REQUEST START BREW /image"
    ]


def test_an_unknown_method_behind_another_request_repeats_nothing(fresh: RunningService) -> None:
    with connect(fresh) as connection:
        first = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.sendall(first + b"BREW /image HTTP/1.1\r\nHost: a\r\n" + END)
        read_all(connection)
    starts = [line for line in fresh.log_lines() if "REQUEST START" in line]
    assert len(starts) <= 1, "the first request was served again"


def test_the_connection_is_good_for_another_request_after_an_unknown_method(
    fresh: RunningService,
) -> None:
    with connect(fresh) as connection:
        connection.sendall(b"BREW /image HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 405 ")
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n" + END)
        assert b"HTTP/1.1 200 " in read_all(connection)


def test_a_body_is_not_taken_for_a_request(fresh: RunningService) -> None:
    head = b"POST /image HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
    with connect(fresh) as connection:
        connection.sendall(head)
        connection.sendall(b"BREW /image HTTP/1.1\r\nHost: a\r\n\r\n".ljust(100) + b"\0\0")
        connection.shutdown(socket.SHUT_WR)
        read_all(connection)
    assert not any("BREW" in line for line in fresh.log_lines())


@pytest.mark.case("C075")
@pytest.mark.parametrize("parts", [1, 2, 8])
@pytest.mark.parametrize("size", [66_000, 120_000])
def test_an_address_that_the_parser_cannot_take_is_told_so(
    fresh: RunningService, size: int, parts: int
) -> None:
    request = b"GET /" + b"a" * size + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    length = -(-len(request) // parts)
    with connect(fresh) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(request), length):
            connection.sendall(request[start : start + length])
            time.sleep(0.05)  # so that the server reads them apart
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"head_too_large"' in answer
    assert b"aaa" not in answer


def test_an_address_too_long_behind_another_request_begins_nothing(fresh: RunningService) -> None:
    first = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    long = b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    with connect(fresh) as connection:
        connection.sendall(first)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(long + first)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert sum("REQUEST START" in line for line in fresh.log_lines()) == 1


@pytest.mark.parametrize(
    "endless",
    [
        b"0\r\n" + b"X: y\r\n" * 50_000,
        b"0\r\nX: " + b"y" * 300_000,
        b"5;" + b"x" * 300_000,
    ],
)
def test_what_follows_a_body_without_end_is_cut_off(fresh: RunningService, endless: bytes) -> None:
    head = b"POST /image HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(fresh) as connection:
        connection.sendall(head)
        with pytest.raises(ConnectionError):
            for _ in range(200):
                connection.sendall(endless)


def test_a_trailer_is_no_header(fresh: RunningService) -> None:
    request = (
        b"POST /image HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n{}\r\n0\r\nAuthorization: Basic YTpi\r\n\r\n"
    )
    with connect(fresh) as connection:
        connection.sendall(request)
        assert b'"authentication_required"' in connection.recv(65536)
