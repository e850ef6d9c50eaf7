"""Additions to uvicorn's parsers, over a real socket."""

import socket
import struct
import time
from base64 import b64encode
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from provider import Provider
from running_service import PASSWORD, RunningService

END = b"Connection: close\r\n\r\n"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
BODY = b'{"prompt": "a tram in the snow"}'


def connect(service: RunningService) -> socket.socket:
    address = urlsplit(service.url)
    return socket.create_connection((str(address.hostname), address.port or 0), timeout=10)


@pytest.fixture(params=["httptools", "h11"])
def either(
    request: pytest.FixtureRequest, start_service: Callable[..., RunningService]
) -> RunningService:
    """A service for each parser."""
    return start_service(http_parser=request.param)


def post_head(service: RunningService, *lines: bytes) -> bytes:
    """Return the head of a POST with credentials; `lines` are further headers and its end."""
    credentials = b64encode(f"{service.add_user()}:{PASSWORD}".encode())
    head = b"POST /image HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    return head + b"Authorization: Basic " + credentials + b"\r\n" + b"".join(lines)


def exchange(service: RunningService, *parts: bytes, half_closed: bool = False) -> bytes:
    """Send parts that the server reads separately, and return all its answers."""
    with connect(service) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            time.sleep(0.05)
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.case("C005")
def test_a_method_that_the_parser_does_not_know_is_a_bad_request(fresh: RunningService) -> None:
    with connect(fresh) as connection:
        connection.sendall(b"BREW /image HTTP/1.1\r\nHost: a\r\n" + END)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"bad_request"' in answer


@pytest.mark.case("C915")
@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
    ],
)
def test_bytes_after_a_body_of_uncertain_length_are_not_a_request(
    either: RunningService, framing: bytes
) -> None:
    smuggled = b"GET /health/live HTTP/1.1\r\nHost: a\r\n" + END
    answer = exchange(either, post_head(either, framing, b"\r\n") + b"0\r\n\r\n" + smuggled)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_client_that_resets_the_connection_causes_no_error_in_the_log(
    patient: RunningService, provider: Provider
) -> None:
    head = post_head(patient, b"Content-Length: %d\r\n\r\n" % len(BODY))
    with provider.holding():
        with connect(patient) as connection:
            connection.sendall(head + BODY + b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            provider.wait_for_requests(1)
            # closing with a linger time of 0 resets the connection
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(0.1)
    assert [line for line in patient.log_lines() if " ERROR " in line] == []


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
def test_a_target_that_the_parser_rejects_is_a_bad_request(
    fresh: RunningService, size: int, parts: int
) -> None:
    request = b"GET /" + b"a" * size + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    length = -(-len(request) // parts)
    with connect(fresh) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(request), length):
            connection.sendall(request[start : start + length])
            time.sleep(0.05)  # so that the server reads them separately
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"head_too_large"' in answer
    assert b"aaa" not in answer


def test_a_pipelined_request_with_a_too_long_target_is_not_started(fresh: RunningService) -> None:
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
def test_an_endless_trailer_or_chunk_header_is_cut_off(
    fresh: RunningService, endless: bytes
) -> None:
    head = b"POST /image HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(fresh) as connection:
        connection.sendall(head)
        with pytest.raises(ConnectionError):
            while True:
                connection.sendall(endless)


def test_a_trailer_is_not_a_header(fresh: RunningService) -> None:
    request = (
        b"POST /image HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n{}\r\n0\r\nAuthorization: Basic YTpi\r\n\r\n"
    )
    with connect(fresh) as connection:
        connection.sendall(request)
        assert b'"authentication_required"' in connection.recv(65536)


@pytest.mark.case("C850")
@pytest.mark.parametrize("is_split", [False, True])
def test_a_request_that_asks_for_another_protocol_keeps_its_body(
    either: RunningService, is_split: bool
) -> None:
    length = b"Content-Length: %d\r\n" % len(BODY)
    head = post_head(either, UPGRADE, length, b"\r\n")
    last = b"GET /health/live HTTP/1.1\r\nHost: a\r\n" + END
    parts = (head, BODY, last) if is_split else (head + BODY + last,)
    answer = exchange(either, *parts)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.endswith(b'{"status":"live"}')


@pytest.mark.case("C850")
def test_a_chunked_body_follows_an_ignored_upgrade(either: RunningService) -> None:
    head = post_head(either, UPGRADE, b"Transfer-Encoding: chunked\r\n\r\n")
    answer = exchange(
        either, head, b"%x\r\n%b\r\n" % (len(BODY), BODY), b"0\r\n\r\n", half_closed=True
    )
    assert answer.startswith(b"HTTP/1.1 201 ")


def test_many_requests_that_ask_for_another_protocol_are_all_answered(
    either: RunningService,
) -> None:
    one = b"GET /health/live HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"\r\n"
    answer = exchange(either, one * 1000, half_closed=True)
    assert answer.count(b"HTTP/1.1 200 ") == 1000


@pytest.mark.case("C851")
@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://pixy.example/image", b"pixy.example", 200),
        (b"HTTP://pixy.example:80/image?limit=1", b"other.example", 200),
        (b"http://pixy.example", b"pixy.example", 200),
        (b"http://pixy.example?x", b"pixy.example", 200),
        (b"http://other.example/image", b"pixy.example", 400),
        (b"http://ada@pixy.example/image", b"pixy.example", 400),
        (b"http:///image", b"pixy.example", 400),
        (b"http://pixy.example/nowhere", b"pixy.example", 404),
    ],
)
@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_the_host_of_an_absolute_target_is_the_one_that_counts(
    start_service: Callable[..., RunningService],
    parser: str,
    target: bytes,
    host: bytes,
    status: int,
) -> None:
    service = start_service(http_parser=parser, allowed_hosts="pixy.example")
    answer = exchange(service, b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + END)
    assert answer.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.case("C852")
def test_a_half_closed_connection_gets_its_answers(either: RunningService) -> None:
    one = b"GET /image HTTP/1.1\r\nHost: a\r\n\r\n"
    assert exchange(either, one * 3, half_closed=True).count(b"HTTP/1.1 200 ") == 3
    post = post_head(either, b"Content-Length: %d\r\n\r\n" % len(BODY)) + BODY
    answer = exchange(either, post, half_closed=True)
    assert answer.startswith(b"HTTP/1.1 201 ")


@pytest.mark.case("C852")
def test_a_half_closed_connection_is_closed_when_its_request_is_not_whole(
    either: RunningService,
) -> None:
    post = post_head(either, b"Content-Length: %d\r\n\r\n" % (len(BODY) + 1)) + BODY
    assert exchange(either, post, half_closed=True) == b""


@pytest.mark.case("C853")
@pytest.mark.parametrize("chunks", [[b"zz\r\n"], [b"2\r\n{}\r\n", b"-1\r\n"], [b"2\r\n{}xx\r\n"]])
def test_a_malformed_chunked_body_is_a_bad_request(
    either: RunningService, chunks: list[bytes]
) -> None:
    head = post_head(either, b"Transfer-Encoding: chunked\r\n\r\n")
    answer = exchange(either, head, *chunks)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b'"bad_request"' in answer
    assert not any("Traceback" in line for line in either.log_lines())
