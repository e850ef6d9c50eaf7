"""Checks of every request, and security headers of every answer: cases C070 to C078."""

import itertools
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from running_service import RunningService

GUID = "00000000-0000-4000-8000-000000000000"
FOREIGN = "https://other.example"


def exchange(service: RunningService, request: bytes) -> tuple[int, bytes, bytes]:
    """Send raw bytes, and return the answer's status, head and body."""
    address = urlsplit(service.url)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), head.lower(), body


def get_with(host_lines: str, version: str = "1.1") -> bytes:
    return f"GET /image HTTP/{version}\r\n{host_lines}Connection: close\r\n\r\n".encode()


@pytest.mark.case("C070")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/image"),
        ("POST", "/image"),
        ("PUT", "/image"),
        ("GET", "/nowhere"),
        ("GET", "/health/live"),
        ("GET", "/openapi.json"),
        ("GET", "/"),
    ],
)
def test_every_answer_has_security_headers(service: RunningService, method: str, path: str) -> None:
    headers = service.client().request(method, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert headers.get_list("content-security-policy") == [headers["content-security-policy"]]


@pytest.mark.case("C070")
def test_only_public_content_may_be_embedded_by_other_sites(service: RunningService) -> None:
    client = service.sign_in()
    path = f"/image/{service.make_image(client, visibility='public')['guid']}/content"
    name = "cross-origin-resource-policy"
    assert service.client().get(path).headers[name] == "cross-origin"
    assert client.get(path).headers[name] == "same-origin"


@pytest.mark.case("C071")
@pytest.mark.parametrize(
    "lines",
    [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: \r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: a@b\r\n",
        "Host: a:b\r\n",
        "Host: [::1\r\n",
        f"Host: {'a' * 300}\r\n",
    ],
)
@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_an_invalid_host_is_refused(
    start_service: Callable[..., RunningService], parser: str, lines: str
) -> None:
    status, head, body = exchange(start_service(http_parser=parser), get_with(lines))
    assert status == 400
    assert b"application/problem+json" in head
    assert b'"bad_request"' in body


def test_http_1_0_needs_no_host(service: RunningService) -> None:
    assert exchange(service, get_with("", "1.0"))[0] == 200


@pytest.mark.case("C071")
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("pixy.example", 200),
        ("PIXY.example:8443", 200),
        ("[::1]:80", 200),
        ("other.example", 400),
        ("pixy.example.other.example", 400),
        ("127.0.0.1", 400),
    ],
)
def test_with_configured_hosts_all_others_are_refused(
    start_service: Callable[..., RunningService], host: str, status: int
) -> None:
    service = start_service(allowed_hosts="Pixy.example, [::1]")
    assert exchange(service, get_with(f"Host: {host}\r\n"))[0] == status


@pytest.mark.case("C855")
@pytest.mark.parametrize("name", ["live", "ready"])
@pytest.mark.parametrize(
    ("lines", "version", "status"),
    [
        ("Host: 10.1.2.3:8000\r\n", "1.1", 200),
        ("", "1.0", 200),
        ("", "1.1", 400),
        ("Host: a b\r\n", "1.1", 400),
    ],
)
def test_health_probes_may_use_an_ip_address(
    start_service: Callable[..., RunningService], name: str, lines: str, version: str, status: int
) -> None:
    service = start_service(allowed_hosts="pixy.example")
    head = f"GET /health/{name} HTTP/{version}\r\n{lines}Connection: close\r\n\r\n"
    assert exchange(service, head.encode())[0] == status


CROSS_SITE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "OWN"},
    {"Origin": FOREIGN},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
]
SAME_SITE = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "OWN"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "OWN"},
    {"Host": "pixy.example", "Origin": "https://pixy.example"},
    {"Host": "Pixy.example:443", "Origin": "https://pixy.example"},
]


def own(headers: dict[str, str], service: RunningService) -> dict[str, str]:
    return {name: service.url if text == "OWN" else text for name, text in headers.items()}


@pytest.mark.case("C072")
@pytest.mark.parametrize("headers", CROSS_SITE)
def test_a_write_by_a_page_of_another_site_is_refused(
    service: RunningService, headers: dict[str, str]
) -> None:
    client = service.sign_in()
    path = f"/image/{service.make_image(client)['guid']}"
    headers = own(headers, service)
    answers = [
        client.post("/image", json={"prompt": "x"}, headers=headers),
        client.patch(path, json={"visibility": "public"}, headers=headers),
        client.delete(path, headers=headers),
        service.client().delete(path, headers=headers),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert client.get(path).json()["visibility"] == "private"


@pytest.mark.case("C072")
@pytest.mark.parametrize("headers", SAME_SITE)
def test_writes_by_the_own_page_and_by_programs_are_accepted(
    service: RunningService, headers: dict[str, str]
) -> None:
    client = service.sign_in()
    path = f"/image/{service.make_image(client)['guid']}"
    headers = own(headers, service)
    body = {"visibility": "public"}
    assert client.patch(path, json=body, headers=headers).status_code == 200
    assert client.delete(path, headers=headers).status_code == 204


@pytest.mark.case("C073")
def test_no_page_of_another_site_may_read_an_answer(service: RunningService) -> None:
    client = service.sign_in()
    for headers in (*CROSS_SITE, {"Origin": FOREIGN}):
        answer = client.get("/image", headers=own(headers, service))
        assert answer.status_code == 200
        assert not any(name.startswith("access-control-") for name in answer.headers)
    preflight = client.options("/image", headers={"Origin": FOREIGN})
    assert preflight.status_code == 405


@pytest.mark.case("C074")
def test_the_pages_of_configured_origins_may_read_and_write(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(cors_origins=f"{FOREIGN}, https://third.example:8443")
    client = service.sign_in()
    asked: dict[str, Any] = {
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "authorization",
    }
    for origin in (FOREIGN, "https://third.example:8443"):
        headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        preflight = service.client().options("/image", headers=headers | asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin
        assert "DELETE" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "authorization"
        made = client.post("/image", json={"prompt": "x"}, headers=headers)
        assert made.status_code == 201
        assert made.headers["access-control-allow-origin"] == origin
        assert "Location" in made.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in made.headers
    stranger = client.get("/image", headers={"Origin": "https://fourth.example"})
    assert "access-control-allow-origin" not in stranger.headers
    foreign = client.delete(f"/image/{GUID}", headers={"Origin": "https://fourth.example"})
    assert foreign.status_code == 403


@pytest.mark.case("C078")
def test_with_configured_origins_every_answer_varies_by_origin(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(cors_origins=FOREIGN)
    owner, stranger = service.sign_in(), service.client()
    path = f"/image/{service.make_image(owner, visibility='public')['guid']}"
    tag = stranger.get(f"{path}/content").headers["etag"]
    asked: list[tuple[str, dict[str, str], int]] = [
        (path, {}, 200),
        (f"{path}/content", {}, 200),
        (f"{path}/content", {"If-None-Match": tag}, 304),
        (f"{path}/content", {"Range": "bytes=0-9"}, 206),
        (f"{path}/content", {"Range": "bytes=999999999-"}, 416),
        (f"{path}/content?width=320", {}, 200),
        ("/image", {}, 200),
        ("/image?limit=0", {}, 422),
        ("/nowhere", {}, 404),
        ("/openapi.json", {}, 200),
        ("/", {}, 200),
    ]
    origins: list[dict[str, str]] = [{}, {"Origin": FOREIGN}, {"Origin": "https://fourth.example"}]
    for (target, fields, status), origin in itertools.product(asked, origins):
        for client in (stranger, owner):
            answer = client.get(target, headers=fields | origin)
            assert answer.status_code == status
            (vary,) = answer.headers.get_list("vary")
            assert "Origin" in vary.split(", "), (target, origin)
            assert len(vary.split(", ")) > 1, "what it varies by without these origins"


@pytest.mark.case("C075")
@pytest.mark.parametrize("parser", ["httptools", "h11"])
@pytest.mark.parametrize(("size", "status"), [(900, 200), (1100, 431), (200_000, 431)])
def test_header_fields_have_a_limit(
    start_service: Callable[..., RunningService], parser: str, size: int, status: int
) -> None:
    service = start_service(http_parser=parser, max_header_size=1024)
    head = f"Host: a\r\nX-Filler: {'a' * size}\r\n"
    seen, answer, body = exchange(service, get_with(head))
    assert seen == status
    if status == 431:
        assert b"application/problem+json" in answer
        assert b'"head_too_large"' in body


@pytest.mark.case("C075")
@pytest.mark.parametrize("parser", ["httptools", "h11"])
@pytest.mark.parametrize(("size", "status"), [(900, 200), (1100, 431), (60_000, 431)])
def test_the_target_counts_with_the_header_fields(
    start_service: Callable[..., RunningService], parser: str, size: int, status: int
) -> None:
    service = start_service(http_parser=parser, max_header_size=1024)
    target = f"/health/live?{'a' * size}"
    seen, _, body = exchange(
        service, f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    )
    assert seen == status
    assert (b'"head_too_large"' in body) == (status == 431)


@pytest.mark.case("C076")
@pytest.mark.parametrize("parser", ["httptools", "h11"])
@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"s3cret\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\ns3cret\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: s3cret\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: s3cret\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_garbage_is_a_bad_request(
    start_service: Callable[..., RunningService], parser: str, garbage: bytes
) -> None:
    service = start_service(http_parser=parser)
    status, head, body = exchange(service, garbage)
    assert status == 400
    assert b"application/problem+json" in head
    assert b"connection: close" in head
    assert b"no-store" in head
    assert b"s3cret" not in head + body
    lines = [line for line in service.log_lines() if " WARNING " in line]
    (request_id,) = [
        line.split(b": ")[1] for line in head.split(b"\r\n") if b"x-request-id" in line
    ]
    assert any(request_id.decode() in line.lower() for line in lines)
    assert not any("s3cret" in line for line in service.log_lines())


@pytest.mark.case("C077")
def test_the_openapi_document_can_be_switched_off(
    start_service: Callable[..., RunningService],
) -> None:
    service = start_service(openapi=False)
    assert service.client().get("/openapi.json").status_code == 404
    assert service.client().get("/image").status_code == 200
