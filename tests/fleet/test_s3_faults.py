"""The proxy in front of an S3 server forwards what it should, and breaks what it is told to."""

from collections import Counter
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead

import pytest

from s3_faults import (
    Fault,
    S3Faults,
    S3Request,
    at_random,
    at_request,
    call,
    forbid,
    slow_down,
    stall,
    swallow,
    truncate,
)
from s3_requests import S3Client
from s3_server import S3Server, SeaweedFS

PATH = "/bucket/images/a b.png"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with SeaweedFS(tmp_path_factory.mktemp("seaweedfs")) as server:
        server.make_bucket("bucket")
        yield server


@pytest.fixture
def faults(server: S3Server) -> Iterator[S3Faults]:
    with S3Faults(server.port) as faults:
        yield faults


@pytest.fixture
def client(server: S3Server, faults: S3Faults) -> S3Client:
    return S3Client(faults.url, server.access_key, server.secret_key)


def test_signed_requests_pass_and_are_recorded(faults: S3Faults, client: S3Client) -> None:
    assert client.request("PUT", PATH, b"bytes").status == 200
    assert client.request("GET", PATH).body == b"bytes"
    assert client.request("HEAD", PATH).headers["Content-Length"] == "5"
    assert client.list_objects("bucket") == {"images/a b.png": 5}
    assert client.request("DELETE", PATH).status == 204
    assert [request.method for request in faults.requests] == [
        "PUT",
        "GET",
        "HEAD",
        "GET",
        "DELETE",
    ]
    assert faults.requests[0].path == "/bucket/images/a%20b.png"


@pytest.mark.parametrize("fault", [swallow, truncate])
def test_the_server_does_the_work_though_its_answer_is_lost(
    faults: S3Faults, client: S3Client, server: S3Server, fault: Fault
) -> None:
    faults.choose = at_request(1, fault)
    with pytest.raises((OSError, HTTPException)):
        client.request("PUT", PATH, fault.__name__.encode())
    assert server.client.request("GET", PATH).body == fault.__name__.encode()


def test_an_answer_is_truncated(faults: S3Faults, client: S3Client) -> None:
    client.request("PUT", PATH, b"1234")
    faults.choose = at_request(2, truncate)
    with pytest.raises(IncompleteRead) as failure:
        client.request("GET", PATH)
    assert failure.value.partial == b"12"


@pytest.mark.parametrize(
    ("fault", "refusal"), [(slow_down, (503, b"SlowDown")), (forbid, (403, b"AccessDenied"))]
)
def test_a_request_is_refused_before_the_server_sees_it(
    faults: S3Faults, client: S3Client, server: S3Server, fault: Fault, refusal: tuple[int, bytes]
) -> None:
    (status, code), path = refusal, f"/bucket/{refusal[0]}"
    faults.choose = at_request(1, fault)
    answer = client.request("PUT", path, b"bytes")
    assert (answer.status, code in answer.body) == (status, True)
    assert server.client.request("HEAD", path).status == 404
    assert client.request("PUT", path, b"bytes").status == 200


def test_functions_are_called_before_and_after_the_work(
    faults: S3Faults, client: S3Client, server: S3Server
) -> None:
    path, seen = "/bucket/called", list[int]()

    def look() -> None:
        seen.append(server.client.request("HEAD", path).status)

    faults.choose = at_request(1, call(before=look, after=look))
    assert client.request("PUT", path, b"bytes").status == 200
    assert seen == [404, 200]


def test_a_stalled_answer_arrives(faults: S3Faults, client: S3Client) -> None:
    faults.choose = at_request(1, stall(0.05))
    assert client.request("PUT", PATH, b"bytes").status == 200


def test_a_server_that_is_gone_resets_the_connection(client: S3Client, faults: S3Faults) -> None:
    with S3Faults(1) as other, pytest.raises((OSError, HTTPException)):
        S3Client(other.url, client.access_key, client.secret_key).request("GET", PATH)


def test_the_same_seed_chooses_the_same_faults() -> None:
    requests = [S3Request(number, "GET", "/", "") for number in range(2000)]
    shares = {swallow: 0.05, slow_down: 0.05, truncate: 0.01}
    first, second, other = (
        list(map(at_random(seed, shares), requests)) for seed in ("one", "one", "two")
    )
    assert first == second != other
    counts = Counter(first)
    assert 60 < counts[swallow] < 140
    assert 60 < counts[slow_down] < 140
    assert 0 < counts[truncate] < 60
