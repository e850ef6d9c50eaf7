"""Five thousand pictures: all of them can be reached, and only a few exist as elements."""

import time

import pytest
from playwright.sync_api import expect

from copied_images import copy_images
from gallery_page import PHONE, GalleryPage

pytestmark = pytest.mark.slow

COUNT = 5_000


@pytest.fixture(scope="module", autouse=True)
def five_thousand(pixy) -> None:
    """Fill the store."""
    with pixy.client("ada") as ada:
        for prompt in ("a boat", "a heron", "a kite"):
            wanted = {"prompt": prompt, "visibility": "public"}
            assert ada.post("/image", json=wanted).status_code == 201
    copy_images(pixy.folder / "pixy-data", COUNT - 3)


def count_tiles(gallery: GalleryPage) -> int:
    return gallery.grid.get_by_role("listitem").count()


def test_the_last_picture_is_reached_and_few_exist_as_elements(visit) -> None:
    gallery = visit(alone=True)
    gallery.breaks = {"ERR_BLOCKED_BY_CLIENT"}
    devtools = gallery.page.context.new_cdp_session(gallery.page)
    devtools.send("Network.enable")
    devtools.send("Network.setBlockedURLs", {"urls": ["*/content*"]})
    oldest = gallery.grid.locator(f"[aria-posinset='{COUNT}']")
    most = 0
    deadline = time.monotonic() + 400
    while not oldest.count():
        assert time.monotonic() < deadline, (
            count_tiles(gallery),
            gallery.faults,
            gallery.requests[-3:],
        )
        gallery.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        # each jump requests dozens of pictures, and all requests pass through this process
        gallery.page.wait_for_timeout(50)
        most = max(most, count_tiles(gallery))
    expect(oldest).to_be_visible()
    assert most < 120
    pages = {request for request in gallery.requests if request.startswith("GET /image?")}
    assert len(pages) == -(-COUNT // 60)
    gallery.page.evaluate("scrollTo(0, 0)")
    expect(gallery.picture("a kite").first).to_be_in_viewport()
    assert count_tiles(gallery) < 120


def test_on_a_phone_closing_a_picture_keeps_the_scroll_position(visit) -> None:
    gallery = visit(viewport=PHONE)
    for _ in range(12):
        gallery.page.mouse.wheel(0, 900)
        gallery.page.wait_for_timeout(30)
    gallery.wait_for_the_end_of_scrolling()
    place = gallery.page.evaluate("scrollY")
    assert place > 3_000
    tile = gallery.grid.get_by_role("link").and_(gallery.page.locator(":visible")).nth(8)
    guid = (tile.get_attribute("href") or "").removeprefix("#/image/")
    tile.evaluate("link => link.click()")
    expect(gallery.viewer).to_be_visible()
    gallery.page.go_back()
    expect(gallery.viewer).to_be_hidden()
    expect(gallery.grid.locator(f"[data-guid='{guid}'] a")).to_be_focused()
    assert abs(gallery.page.evaluate("scrollY") - place) < PHONE["height"]
