"""axe-core finds no problem in any state of the page, in both sizes and themes."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from gallery_page import DESK, PHONE, GalleryPage

RULES = {
    "light": {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    # a theme changes only colours
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast"]}},
}


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def gallery(request: pytest.FixtureRequest, visit, make_images) -> Iterator[GalleryPage]:
    """The gallery in one size; its images are made once."""
    gallery = visit(viewport=request.param, reduced_motion="reduce")
    if not gallery.prompts():
        for visibility in ("public", "class", "private"):
            make_images("a boat", "a heron", visibility=visibility)
        gallery.open()
    return gallery


def check(gallery: GalleryPage) -> None:
    for theme, rules in RULES.items():
        gallery.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        results = Axe().run(gallery.page, options=rules)
        assert results.violations_count == 0, f"{theme}: {results.generate_report()}"


def test_the_grid(gallery: GalleryPage) -> None:
    check(gallery)
    gallery.page.get_by_role("button", name="Filters").click()
    check(gallery)


def test_the_sign_in_form(gallery: GalleryPage) -> None:
    gallery.refusals = {401}
    gallery.sign_in("ada", "wrong")
    expect(gallery.page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    check(gallery)


def test_the_page_of_a_user(gallery: GalleryPage) -> None:
    gallery.sign_in("ada")
    check(gallery)
    gallery.page.get_by_role("button", name="Filters").click()
    check(gallery)


@pytest.mark.slow
def test_the_dialog_of_api_keys(gallery: GalleryPage) -> None:
    gallery.sign_in("ada")
    gallery.page.get_by_role("button", name="API keys").click()
    dialog = gallery.page.get_by_role("dialog", name="API keys")
    expect(dialog).to_be_visible()
    check(gallery)
    dialog.get_by_label("What is it for?").fill("w" * 64)
    dialog.get_by_role("button", name="Make the key").click()
    expect(dialog.get_by_label("Copy your new key now")).to_be_visible()
    dialog.get_by_role("button", name="Revoke").first.click()
    check(gallery)


@pytest.mark.slow
def test_pending_and_failed_pictures(gallery: GalleryPage) -> None:
    gallery.sign_in("ada")
    gallery.breaks = {"ERR_FAILED"}
    gallery.page.route("**/image", lambda route: route.abort())
    gallery.make("one that fails")
    expect(gallery.works).to_contain_text("connection to the server failed")
    gallery.page.route("**/image", lambda _: None)
    gallery.make("one that is made")
    expect(gallery.page.get_by_role("progressbar")).to_be_visible()
    check(gallery)


def test_the_viewer_and_a_note(gallery: GalleryPage) -> None:
    gallery.sign_in("ada")
    gallery.picture("a boat").first.click()
    expect(gallery.viewer.locator("img.loaded")).to_be_visible()
    gallery.viewer.get_by_role("radio", checked=False).first.check()
    expect(gallery.note).to_be_visible()
    check(gallery)
    gallery.viewer.get_by_role("button", name="Delete").click()
    expect(gallery.note.get_by_role("button", name="Undo")).to_be_visible()
    check(gallery)


@pytest.mark.slow
def test_a_missing_picture(gallery: GalleryPage) -> None:
    gallery.refusals = {404}
    gallery.page.goto(f"{gallery.url}/#/image/00000000-0000-4000-8000-000000000000")
    expect(gallery.viewer.get_by_role("alert")).to_be_visible()
    check(gallery)
