"""axe-core finds no problem in any state of the page, in both sizes and themes."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from gallery_page import DESK, PHONE, GalleryPage
from installed_pixy import InstalledPixy

RULES: dict[str, dict[str, object]] = {
    "light": {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    # a theme changes only colours
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast"]}},
}


@pytest.fixture(scope="module")
def images(pixy: InstalledPixy) -> None:
    """Images of each visibility."""
    with pixy.client("ada") as ada:
        for visibility in ("public", "class", "private"):
            for prompt in ("a boat", "a heron"):
                wanted = {"prompt": prompt, "visibility": visibility}
                ada.post("/image", json=wanted).raise_for_status()


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def gallery(request: pytest.FixtureRequest, visit, images: None) -> GalleryPage:
    """The gallery in one size."""
    opened: GalleryPage = visit(viewport=request.param)
    return opened


def check(gallery: GalleryPage, state: str) -> None:
    """Fail if axe-core finds a problem in a state of the page."""
    for theme, rules in RULES.items():
        gallery.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        results = Axe().run(gallery.page, options={**rules, "resultTypes": ["violations"]})
        assert results.violations_count == 0, f"{state}, {theme}: {results.generate_report()}"


def test_a_visit_from_the_grid_to_a_deletion(gallery: GalleryPage) -> None:
    gallery.refusals = {401}
    filters = gallery.page.get_by_role("button", name="Filters")
    filters.click()
    check(gallery, "filters of visitors")
    filters.click()
    gallery.sign_in("ada", "wrong")
    expect(gallery.page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    check(gallery, "wrong password")
    gallery.fill_sign_in("ada")
    expect(gallery.page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(gallery.picture("a boat")).to_have_count(3)
    check(gallery, "page of a user")
    filters.click()
    check(gallery, "filters of users")
    gallery.picture("a boat").first.click()
    expect(gallery.viewer.locator("img.loaded")).to_be_visible()
    gallery.viewer.get_by_role("radio", checked=False).first.check()
    expect(gallery.note).to_be_visible()
    check(gallery, "viewer and note")
    gallery.viewer.get_by_role("button", name="Delete").click()
    undo = gallery.note.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    check(gallery, "note with a button")
    undo.click()


@pytest.mark.slow
def test_the_dialog_of_api_keys_and_pictures_in_the_making(gallery: GalleryPage) -> None:
    gallery.sign_in("ada")
    gallery.page.get_by_role("button", name="API keys").click()
    dialog = gallery.page.get_by_role("dialog", name="API keys")
    expect(dialog).to_be_visible()
    check(gallery, "API keys")
    dialog.get_by_label("What is it for?").fill("w" * 64)
    dialog.get_by_role("button", name="Make the key").click()
    expect(dialog.get_by_label("Copy your new key now")).to_be_visible()
    dialog.get_by_role("button", name="Revoke").first.click()
    check(gallery, "new API key")
    dialog.get_by_role("button", name="Close").click()
    gallery.breaks = {"ERR_FAILED"}
    gallery.page.route("**/image", lambda route: route.abort())
    gallery.make("one that fails")
    expect(gallery.works).to_contain_text("connection to the server failed")
    gallery.page.route("**/image", lambda _: None)
    gallery.make("one that is made")
    expect(gallery.page.get_by_role("progressbar")).to_be_visible()
    check(gallery, "pending and failed pictures")


@pytest.mark.slow
def test_a_missing_picture(gallery: GalleryPage) -> None:
    gallery.refusals = {404}
    gallery.page.goto(f"{gallery.url}/#/image/00000000-0000-4000-8000-000000000000")
    expect(gallery.viewer.get_by_role("alert")).to_be_visible()
    check(gallery, "missing picture")
