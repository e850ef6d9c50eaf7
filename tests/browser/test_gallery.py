"""The grid of pictures."""

import re
import shutil

import pytest
from playwright.sync_api import Browser, Route, expect

from copied_images import copy_images
from gallery_page import CHROMIUM_OPTIONS, DESK, PHONE, GalleryPage, open_context

WATCH_JUMPS = """
  globalThis.jumps = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      jumps.push(...entry.sources.map(({ node }) => node?.nodeName + " " + node?.id));
    }
  }).observe({ type: "layout-shift", buffered: true });
"""
"""Collects what moves, and what has moved since the page was opened."""


def test_an_empty_gallery_says_so(visit) -> None:
    expect(visit().page.get_by_role("status").first).to_have_text("No public pictures yet.")


def test_an_anonymous_visitor_sees_the_public_pictures_newest_first(visit, make_images) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    make_images("a heron", hostile, "three boats")
    make_images("a secret", visibility="private")
    gallery = visit()
    assert gallery.prompts() == ["three boats", hostile, "a heron"]
    expect(gallery.grid.locator(".loaded")).to_have_count(3)
    assert all("Authorization" not in request for request in gallery.requests)


def test_pictures_are_placed_before_their_files_are_loaded(visit, make_images) -> None:
    make_images(*(f"place {number}" for number in range(5)))
    gallery = visit(viewport=PHONE)
    gallery.page.route(re.compile("/content"), lambda route: None)
    gallery.page.reload()
    expect(gallery.picture("place 4")).to_be_visible()
    before = gallery.picture("place 0").bounding_box()
    gallery.page.unroute_all(behavior="ignoreErrors")
    gallery.page.reload()
    expect(gallery.grid.locator(".loaded")).to_have_count(8)
    assert gallery.picture("place 0").bounding_box() == before


def test_rows_fill_the_width_and_more_come_while_scrolling(visit, pixy) -> None:
    # one of the nine images is private, and so are its copies
    copy_images(pixy.folder / "pixy-data", 70)
    gallery = visit()
    width = gallery.grid.bounding_box()["width"]
    boxes = [tile.bounding_box() for tile in gallery.grid.get_by_role("listitem").all()[:12]]
    row = [box for box in boxes if box["y"] == boxes[0]["y"]]
    assert abs(row[-1]["x"] + row[-1]["width"] - row[0]["x"] - width) < 1
    gallery.page.keyboard.press("End")
    gallery.page.keyboard.press("End")
    oldest = gallery.grid.locator("[aria-setsize='70']").last
    expect(oldest).to_have_attribute("aria-posinset", "70")
    asked = [request for request in gallery.requests if request.startswith("GET /image?")]
    assert len(asked) == 2


@pytest.mark.slow
@pytest.mark.parametrize("visibility", ["public", "private"])
def test_a_picture_is_requested_again_after_a_503(visit, make_images, visibility: str) -> None:
    (guid,) = make_images(f"put off, {visibility}", visibility=visibility)
    gallery = visit()
    gallery.refusals = {503}
    put_off: list[str] = []

    def put_it_off(route: Route) -> None:
        put_off.append(route.request.url)
        route.fulfill(status=503)

    gallery.page.route(f"**/{guid}/content?*", put_it_off, times=2)
    gallery.sign_in("ada")
    tile = gallery.grid.locator(f"[data-guid='{guid}']")
    expect(tile).to_have_class("tile loaded")
    assert len(put_off) == 2


def test_arrow_keys_move_along_and_between_the_rows(visit, make_images) -> None:
    make_images("second", "first")
    gallery = visit()
    page = gallery.page
    page.get_by_role("link", name="Skip to the pictures").focus()
    page.keyboard.press("Enter")
    expect(gallery.picture("first")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(gallery.picture("second")).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = page.evaluate("document.activeElement.getBoundingClientRect().x")
    page.keyboard.press("ArrowUp")
    expect(gallery.picture("second")).to_be_focused()
    assert page.evaluate("document.activeElement.getBoundingClientRect().x") == below
    page.keyboard.press("End")
    page.keyboard.press("Home")
    expect(gallery.picture("first")).to_be_focused()


def test_without_javascript_it_says_so_and_shows_no_controls(browser, pixy) -> None:
    context = open_context(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(pixy.url)
    # Playwright's locators by role and text ignore <noscript>
    words = page.locator("noscript p")
    expect(words).to_be_visible()
    expect(words).to_contain_text("This page needs JavaScript.")
    expect(page.get_by_text("Loading…")).to_have_count(0)
    expect(page.get_by_role("button", name="Sign in")).to_have_count(0)
    words.locator("a").click()
    expect(page).to_have_url(f"{pixy.url}/image")
    context.close()


@pytest.mark.parametrize(
    "size",
    [pytest.param(DESK, id="desk"), pytest.param(PHONE, id="phone", marks=pytest.mark.slow)],
)
def test_the_layout_does_not_shift_while_pictures_load(
    visit, make_images, size: dict[str, int]
) -> None:
    make_images(*(f"still {number}" for number in range(12)))
    gallery = visit(viewport=size)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    gallery.page.route("**/image?*", hold)
    with gallery.page.expect_request("**/image?*"):
        gallery.page.reload()
    # the page is painted before its list is there
    expect(gallery.page.get_by_text("Loading…")).to_be_visible()
    gallery.page.screenshot()
    gallery.page.evaluate(WATCH_JUMPS)
    for route in held:
        route.continue_()
    gallery.page.unroute_all()
    expect(gallery.grid.locator(".loaded").first).to_be_visible()
    expect(gallery.page.locator(".tile:not(.loaded)")).to_have_count(0, timeout=90_000)
    footer = gallery.page.get_by_role("link", name="API reference")
    for _ in range(2):
        gallery.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        expect(gallery.grid).to_have_attribute("aria-busy", "false")
    expect(footer).to_be_visible()
    footer.scroll_into_view_if_needed()
    assert gallery.page.evaluate("jumps") == []


@pytest.mark.slow
def test_a_shortened_prompt_keeps_its_emoji_whole(visit, make_images) -> None:
    # an emoji has two UTF-16 units, and labels end after an odd number of them
    make_images("🦊" * 200)
    gallery = visit(user="ada")
    assert gallery.grid.locator("img").evaluate_all("all => all.every(i => i.alt.isWellFormed())")
    gallery.grid.get_by_role("link").first.click()
    gallery.viewer.get_by_role("button", name="Delete").click()
    expect(gallery.note).to_contain_text("Deleted: 🦊")
    assert gallery.note.evaluate("note => note.textContent.isWellFormed()")
    gallery.note.get_by_role("button", name="Undo").click()


@pytest.mark.slow
def test_a_failed_next_page_is_reported_at_the_end_of_the_list(visit, pixy, make_images) -> None:
    make_images("the first of many")
    copy_images(pixy.folder / "pixy-data", 150)
    gallery = visit(viewport=PHONE)
    gallery.breaks = {"ERR_INTERNET_DISCONNECTED"}
    status = gallery.page.locator("#state")
    expect(gallery.grid.locator(".loaded").first).to_be_visible()
    gallery.page.context.set_offline(True)
    gallery.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(status).to_contain_text("The connection to the server failed")
    gallery.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(status).to_be_in_viewport()
    expect(gallery.page.get_by_role("button", name="Try again")).to_be_in_viewport()
    before = gallery.grid.evaluate("grid => grid.clientHeight")
    # loading continues once the connection is back
    gallery.page.context.set_offline(False)
    expect(gallery.page.get_by_role("button", name="Try again")).to_be_hidden()
    gallery.page.wait_for_function(
        "before => document.getElementById('grid').clientHeight > before", arg=before
    )


@pytest.mark.slow
def test_a_picture_is_loaded_again_once_the_connection_is_back(visit, make_images) -> None:
    (guid,) = make_images("given up")
    gallery = visit(alone=True)
    gallery.breaks = {"ERR_FAILED", "ERR_INTERNET_DISCONNECTED"}
    gallery.page.clock.install()
    gallery.page.route(f"**/{guid}/content?*", lambda route: route.abort())
    gallery.page.reload()
    tile = gallery.grid.locator(f"[data-guid='{guid}']")
    for _ in range(8):
        gallery.page.clock.run_for(10_000)
        gallery.page.wait_for_load_state("networkidle")
    expect(tile).to_have_class("tile broken")
    gallery.page.unroute_all()
    gallery.page.context.set_offline(True)
    gallery.page.context.set_offline(False)
    expect(tile).to_have_class("tile loaded")


@pytest.mark.slow
def test_large_letters_fit_on_a_phone(browser: Browser, pixy, make_images) -> None:
    make_images("read with large letters")
    # the browser's setting for the size of letters, twice the default
    large = browser.browser_type.launch(
        executable_path=shutil.which("chromium"),
        args=[*CHROMIUM_OPTIONS, "--blink-settings=defaultFontSize=32"],
    )
    with large:
        gallery = GalleryPage(open_context(large, viewport=PHONE).new_page(), pixy.url)
        gallery.open().sign_in("ada")
        page = gallery.page
        assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "32px"
        page.get_by_role("button", name="Filters").click()
        for name in ("Shared with", "Made from", "until", "Only mine"):
            expect(page.get_by_label(name)).to_be_in_viewport(ratio=1)
            box = page.get_by_label(name).bounding_box()
            assert box["x"] + box["width"] <= PHONE["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        gallery.picture("read with large letters").click()
        expect(gallery.viewer.get_by_role("heading")).to_be_visible()
        assert gallery.viewer.evaluate("node => node.scrollWidth") <= PHONE["width"]
        gallery.check()
