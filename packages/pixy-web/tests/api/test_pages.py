"""The page: cases C804 to C812. tests/browser tests it in a browser."""

import gzip
import re

import pytest

from running_service import RunningService


def find_parts(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/[^"#]+)"', page)


@pytest.mark.case("C804")
def test_the_page_and_all_it_needs_come_from_this_server(service: RunningService) -> None:
    client = service.client()
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(r'(?:src|href)="(?![/#])', page.text)
    parts = find_parts(page.text)
    assert len(parts) > 20
    for part in parts:
        assert client.get(part).status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.case("C810")
def test_the_page_is_revalidated_and_its_parts_are_cached(service: RunningService) -> None:
    client = service.client()
    page = client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    known = {"If-None-Match": f'"other", {page.headers["etag"]}'}
    again = client.get("/", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200
    for part in find_parts(page.text):
        if part.startswith("/static/"):
            assert "immutable" in client.get(part).headers["cache-control"]


@pytest.mark.case("C811")
def test_a_part_of_another_version_is_not_cached(service: RunningService) -> None:
    client = service.client()
    part = client.get("/static/0123456789abcdef/main.js")
    assert (part.status_code, part.headers["cache-control"]) == (200, "no-cache")
    for missing in ("/static/0123456789abcdef/index.html", "/static/main.js", "/gallery.js"):
        assert client.get(missing).json()["code"] == "no_such_resource"


@pytest.mark.case("C812")
def test_it_is_compressed_if_the_client_accepts_that(service: RunningService) -> None:
    client = service.client()
    plain = client.get("/", headers={"Accept-Encoding": "br, gzip;q=0"})
    assert "content-encoding" not in plain.headers
    sizes = []
    for part in ["/", *(part for part in find_parts(plain.text) if part.startswith("/static/"))]:
        with client.stream("GET", part, headers={"Accept-Encoding": "br, gzip;q=0.5"}) as answer:
            body = b"".join(answer.iter_raw())
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["content-encoding"] == "gzip"
        sizes.append(len(body))
        if part == "/":
            assert gzip.decompress(body) == plain.content
            assert answer.headers["etag"] != plain.headers["etag"]
    assert sum(sizes) < 60_000
