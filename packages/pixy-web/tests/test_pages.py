"""The page: case C804. What it looks like is tested in a browser, in tests/browser."""

import re

import pytest

from running_service import RunningService


@pytest.mark.case("C804")
def test_the_page_and_all_it_needs_come_from_this_server(service: RunningService) -> None:
    client = service.client()
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {"/gallery.css", "/gallery.js"} <= set(parts)
    for part in parts:
        assert part.startswith("/")
        assert client.get(part).status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
