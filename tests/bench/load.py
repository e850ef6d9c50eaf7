"""The load: wrk for concurrent requests, a plain client for sequential ones."""

import contextlib
import http.client
import json
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from contenders import find_program

SCRIPT = Path(__file__).with_name("wrk.lua")
READ_AT_ONCE = 10_000
"""Bytes that a slow reader reads once a second."""


@dataclass(frozen=True)
class Load:
    """The result of a run of wrk: requests per second, and two percentiles in milliseconds."""

    rate: float
    p50: float
    p99: float


def run_wrk(
    url: str, paths: list[str], *, connections: int, seconds: int, headers: dict[str, str]
) -> Load:
    """Request paths on many connections, each as soon as it has the previous answer.

    Raises:
        RuntimeError: wrk is not installed, or an answer was neither 200 nor 304.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(paths))
        file.flush()
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=30s", f"-s{SCRIPT}"]
        extra = [f"{name}: {value}" for name, value in headers.items()]
        done = subprocess.run(
            [find_program("wrk"), *options, url, "--", file.name, *extra],
            capture_output=True,
            text=True,
            check=True,
        )
    result = json.loads(done.stdout.splitlines()[-1])
    if result["failed"] or not result["requests"]:
        raise RuntimeError(f"{url} did not answer as it should:\n{done.stdout}")
    rate = result["requests"] / result["microseconds"] * 1e6
    return Load(rate, result["p50"] / 1000, result["p99"] / 1000)


@dataclass(frozen=True)
class Download:
    """The cost of one long answer: seconds to its first byte and to its end, and its size."""

    first_byte: float
    seconds: float
    images: int


def download_list(url: str, path: str) -> Download:
    """Read a JSON array of images to its end, without keeping it."""
    connection = _connect(url)
    started = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    _expect(response, 200)
    first = response.read(1)
    first_byte = time.perf_counter() - started
    images, tail = 0, first
    while block := response.read1(1 << 16):
        seen = tail + block
        images += seen.count(b'"guid"')
        tail = seen[-5:]  # may be the start of a name that the next block completes
    seconds = time.perf_counter() - started
    connection.close()
    return Download(first_byte, seconds, images)


def post_one_by_one(
    url: str, path: str, body: object, headers: dict[str, str], *, count: int, status: int
) -> float:
    """Post the same body again and again on one connection; return the median milliseconds."""
    connection = _connect(url)
    durations = []
    for _ in range(count):
        started = time.perf_counter()
        _post(connection, path, body, headers, status)
        durations.append(time.perf_counter() - started)
    connection.close()
    return statistics.median(durations) * 1000


class SlowReaders:
    """Connections that read one file each, at 10 kB/s. A context manager.

    Args:
        url: The server.
        path: The file; larger than the buffers of its connection.
        headers: Further headers of the requests.
        count: Number of connections.
    """

    def __init__(self, url: str, path: str, headers: dict[str, str], count: int) -> None:
        self._address = urlsplit(url)
        lines = {"Host": self._address.netloc, **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._request = f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
        self._count = count
        self._readers: list[socket.socket] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        for _ in range(self._count):
            reader = socket.socket()
            self._readers.append(reader)
            # a larger buffer would take the whole file at once
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_AT_ONCE)
            reader.connect((self._address.hostname, self._address.port))
            reader.sendall(self._request)
            if reader.recv(12) != b"HTTP/1.1 200":
                raise RuntimeError("the answer was not 200")
            reader.setblocking(False)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for reader in self._readers:
            reader.close()

    def _read(self) -> None:
        while True:
            for reader in self._readers:
                # one after the other: the load is even
                if self._stopping.wait(1 / len(self._readers)):
                    return
                with contextlib.suppress(BlockingIOError):
                    reader.recv(READ_AT_ONCE)


class WaitingPosts:
    """Many concurrent posts, each in its own thread and on its own connection."""

    def __init__(
        self, url: str, path: str, body: object, headers: dict[str, str], count: int
    ) -> None:
        self.failures: list[Exception] = []
        self._arguments = (url, path, body, headers)
        self._threads = [threading.Thread(target=self._post) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for every answer.

        Raises:
            ExceptionGroup: Some were not 201.
        """
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise ExceptionGroup("posts failed", self.failures)

    def _post(self) -> None:
        url, path, body, headers = self._arguments
        connection = _connect(url)
        try:
            _post(connection, path, body, headers, 201)
        except Exception as error:  # noqa: BLE001 - raised by join
            self.failures.append(error)
        finally:
            connection.close()


def upload(url: str, image: bytes, headers: dict[str, str]) -> str:
    """Upload a PNG to a PixyProxy, and return the path of its details."""
    connection = _connect(url)
    connection.request("POST", "/image/upload", image, {"Content-Type": "image/png", **headers})
    response = connection.getresponse()
    _expect(response, 201)
    path = response.headers["Location"]
    connection.close()
    return path


def get_json(url: str, path: str, headers: dict[str, str]) -> tuple[Any, str]:
    """Return the JSON of one answer, and the path of its next page, if there is one."""
    connection = _connect(url)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    _expect(response, 200)
    link = response.headers.get("Link", "")
    value = json.loads(response.read())
    connection.close()
    return value, link.partition(">")[0].removeprefix("<")


def count_requests(url: str) -> float:
    """Return how many requests the metrics of a PixyProxy have counted."""
    connection = _connect(url)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    _expect(response, 200)
    counted = re.findall(
        r"(?m)^pixy_http_request_duration_seconds_count\S* (\S+)", response.read().decode()
    )
    connection.close()
    return sum(map(float, counted))


def put(url: str, path: str) -> None:
    """Send an empty PUT, which has to succeed."""
    connection = _connect(url)
    connection.request("PUT", path)
    _expect(connection.getresponse(), 200)
    connection.close()


def _post(
    connection: http.client.HTTPConnection,
    path: str,
    body: object,
    headers: dict[str, str],
    status: int,
) -> bytes:
    encoded = json.dumps(body).encode()
    connection.request("POST", path, encoded, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    _expect(response, status)
    return response.read()


def _expect(response: http.client.HTTPResponse, status: int) -> None:
    if response.status != status:
        raise RuntimeError(f"answered {response.status}: {response.read(500)!r}")


def _connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
