"""Requests for thumbnails: a few at once, again after a refusal, and only while needed."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from copied_images import copy_images
from gallery_page import GalleryPage

pytestmark = pytest.mark.slow

COUNT = 1_500
CONTENT = re.compile(r"/content\?width=")
# connections that a browser opens to one server over HTTP/1.1
CONNECTIONS = 6


@pytest.fixture(scope="module", autouse=True)
def images(pixy) -> None:
    """Images that have no thumbnails yet."""
    with pixy.client("ada") as ada:
        for visibility in ("public", "private"):
            wanted = {"prompt": f"a {visibility} boat", "visibility": visibility}
            assert ada.post("/image", json=wanted).status_code == 201
    copy_images(pixy.folder / "pixy-data", COUNT)


def busy(retry_after: int) -> dict[str, object]:
    """Return the answer of a server that is busy with thumbnails."""
    return {
        "status": 503,
        "content_type": "application/problem+json",
        "headers": {"Retry-After": str(retry_after)},
        "body": '{"status": 503, "code": "thumbnails_busy"}',
    }


def open_while(visit, handle: Callable[[Route], None], user: str | None = None) -> GalleryPage:
    """Reload the gallery with a handler for its requests for thumbnails."""
    gallery: GalleryPage = visit()
    if user:
        gallery.sign_in(user, keep=True)
    gallery.page.goto("about:blank")
    gallery.requests.clear()
    gallery.page.route(CONTENT, handle)
    gallery.open()
    expect(gallery.grid.locator("li").nth(12)).to_be_attached()
    return gallery


def expect_all_loaded(gallery: GalleryPage) -> None:
    """Wait until each picture on the grid is shown."""
    expect(gallery.page.locator(".tile:not(.loaded)")).to_have_count(0, timeout=90_000)


@pytest.mark.parametrize("user", [None, "ada"])
def test_connections_stay_free_while_thumbnails_load(visit, user: str | None) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    gallery = open_while(visit, hold, user)
    gallery.page.wait_for_timeout(500)
    assert 0 < len(held) < CONNECTIONS
    gallery.page.unroute_all(behavior="ignoreErrors")
    expect_all_loaded(gallery)


def test_pictures_that_were_scrolled_past_are_not_requested(visit) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    gallery = open_while(visit, hold)
    passed = gallery.grid.locator("li").nth(12).get_attribute("data-guid")
    gallery.page.mouse.move(600, 600)
    gallery.page.mouse.wheel(0, 5_000)
    expect(gallery.grid.locator(f"[data-guid='{passed}']")).to_have_count(0)
    gallery.page.unroute_all(behavior="ignoreErrors")
    expect_all_loaded(gallery)
    assert not [line for line in gallery.requests if f"{passed}/content" in line]


@pytest.mark.parametrize("user", [None, "ada"])
def test_a_busy_server_is_asked_again_after_its_retry_after(visit, user: str | None) -> None:
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(**busy(60))  # type: ignore[arg-type]

    gallery: GalleryPage = visit(alone=True)
    gallery.refusals = {503}
    gallery.page.clock.install()
    open_while(lambda: gallery, refuse, user)
    gallery.page.clock.run_for(1_000)
    deadline = time.monotonic() + 20
    while len(asked) < 4 and time.monotonic() < deadline:
        gallery.page.wait_for_timeout(50)
    gallery.page.wait_for_timeout(500)
    refused = len(asked)
    assert 0 < refused < CONNECTIONS
    gallery.page.clock.run_for(40_000)
    gallery.page.wait_for_timeout(500)
    assert len(asked) == refused
    gallery.page.unroute_all(behavior="ignoreErrors")
    gallery.page.clock.run_for(30_000)
    expect_all_loaded(gallery)


@pytest.mark.parametrize("user", [None, "ada"])
def test_a_fast_scroll_through_pictures_nobody_has_seen_is_served(visit, user: str | None) -> None:
    gallery: GalleryPage = visit(user=user)
    # a refusal would be a fault of the page
    for _ in range(30):
        gallery.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        gallery.page.wait_for_timeout(100)
    expect_all_loaded(gallery)
