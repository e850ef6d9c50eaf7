"""The API reference: cases C814 and C815. tests/browser tests it in a browser."""

import re
from collections.abc import Callable

import pytest

from running_service import RunningService


def find_parts(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]+)"', page)


@pytest.mark.case("C814")
def test_the_reference_and_all_it_needs_come_from_this_server(service: RunningService) -> None:
    client = service.client()
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    parts = find_parts(page.text)
    assert len(parts) > 4
    for part in parts:
        # relative, so that it also works below a prefix
        assert not part.startswith(("/", "http"))
        assert client.get(f"/{part}").status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.case("C815")
def test_the_reference_is_revalidated_and_its_parts_are_cached(service: RunningService) -> None:
    client = service.client()
    page = client.get("/docs")
    assert page.headers["cache-control"] == "no-cache"
    assert client.get("/docs", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    parts = [part for part in find_parts(page.text) if part.startswith("docs/")]
    assert len(parts) > 4
    for part in parts:
        answer = client.get(f"/{part}")
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-encoding"] == "gzip"
    older = client.get("/docs/0123456789abcdef/reference.js")
    assert (older.status_code, older.headers["cache-control"]) == (200, "no-cache")
    for missing in ("/docs/0123456789abcdef/index.html", "/docs/reference.js", "/docs/"):
        assert client.get(missing).json()["code"] == "no_such_resource"


@pytest.mark.case("C077")
def test_the_reference_is_switched_off_with_the_document(
    start_service: Callable[..., RunningService],
) -> None:
    client = start_service(openapi=False).client()
    part = "/docs/0123456789abcdef/reference.js"
    assert [client.get(path).status_code for path in ("/docs", part)] == [404, 404]
