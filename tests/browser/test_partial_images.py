"""Pictures that can be watched while they are made, with a provider that streams them."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Route, expect

from gallery_page import PHONE, GalleryPage
from installed_pixy import InstalledPixy
from provider import Provider
from provider_events import PARTIALS

pytestmark = pytest.mark.slow

PREVIEW = re.compile(r"/preview$")
CONTENT = re.compile(r"/content\?width=")
# those of the stand-in grow, so that each can be told by its size
WIDTHS = [64 * number for number in range(1, len(PARTIALS) + 1)]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """The stand-in for the OpenAI API."""
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def pixy(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[InstalledPixy]:
    """A service that asks its provider for three partial images of each."""
    installed = InstalledPixy(
        tmp_path_factory.mktemp("pixy"),
        PIXY_GENERATOR="openai",
        OPENAI_API_KEY="sk-of-the-test",
        OPENAI_BASE_URL=provider.base_url,
        PIXY_PARTIAL_IMAGES="3",
    )
    installed.add_user("ada", "maths")
    installed.start()
    yield installed
    installed.kill()


@pytest.fixture(autouse=True)
def well_behaved(provider: Provider) -> Iterator[None]:
    """Each test begins with a provider that draws, and ends with one that holds nothing back."""
    provider.behave("png")
    yield
    provider.finish()


def watch(gallery: GalleryPage, provider: Provider, prompt: str) -> Locator:
    """Ask for a picture, and return what is seen of it while it is made."""
    gallery.make(prompt)
    seen = gallery.works.get_by_role("img", name=f"Unfinished: {prompt}")
    expect(seen).to_be_visible()
    return seen


def test_an_unfinished_picture_is_seen_and_then_the_picture(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada")
    with provider.unfinished():
        seen = watch(ada, provider, "a heron at dawn")
        expect(seen).to_have_js_property("naturalWidth", WIDTHS[-1])
        assert ada.prompts() == []
        # what it has is not sent again
        with ada.page.expect_response(re.compile("/preview$")) as answered:
            pass
        assert answered.value.status == 304
        asked = [line for line in ada.requests if line.endswith("/preview")]
        assert set(asked) == {asked[0]}
    expect(ada.note).to_contain_text("Your picture is ready: a heron at dawn")
    expect(ada.works).to_have_count(0)
    picture = ada.picture("a heron at dawn")
    expect(picture).to_be_visible()
    expect(picture.get_by_role("img")).to_have_js_property("naturalWidth", 64)


def test_one_unfinished_picture_takes_the_place_of_the_other_and_nothing_moves(
    visit, provider: Provider
) -> None:
    ada: GalleryPage = visit(user="ada", reduced_motion="reduce")
    with provider.unfinished(partials=1):
        seen = watch(ada, provider, "a heron at noon")
        expect(seen).to_have_js_property("naturalWidth", WIDTHS[0])
        before = ada.works.bounding_box()
        provider.show(2)
        expect(seen).to_have_js_property("naturalWidth", WIDTHS[1])
        provider.show(3)
        expect(seen).to_have_js_property("naturalWidth", WIDTHS[2])
        after = ada.works.bounding_box()
        # the words below may have become longer
        assert before is not None
        assert after is not None
        assert before["width"] == after["width"]
        assert ada.page.locator(".preview").bounding_box()["height"] > 100  # type: ignore[index]
        assert ada.page.locator(".preview img").count() == 2
        animations = "document.getAnimations().length"
        assert ada.page.evaluate(animations) == 0


def test_a_picture_does_not_wait_for_an_unfinished_one_that_is_slow(
    visit, provider: Provider
) -> None:
    ada: GalleryPage = visit(user="ada")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    # as slow as a line can be
    ada.page.route(PREVIEW, hold)
    with provider.unfinished(), ada.page.expect_request(PREVIEW):
        ada.make("a heron far away")
    expect(ada.note).to_contain_text("Your picture is ready: a heron far away")
    assert len(held) == 1


def test_what_was_seen_stays_until_the_picture_itself_is_loaded(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    ada.page.route(CONTENT, hold)
    with ada.page.expect_request(CONTENT), provider.unfinished():
        watch(ada, provider, "a heron at dusk")
    tile = ada.grid.locator("li").filter(has_text="a heron at dusk")
    expect(tile).to_have_count(1)
    expect(tile.locator("a")).to_have_css("background-image", re.compile(r'^url\("blob:'))
    expect(tile).not_to_have_class(re.compile("loaded"))
    assert held
    for route in held:
        route.continue_()
    expect(tile).to_have_class(re.compile("loaded"))


def test_no_unfinished_picture_is_held_longer_than_it_is_shown(visit, provider: Provider) -> None:
    gallery: GalleryPage = visit()
    # other pictures on the page are WebP or AVIF
    gallery.page.add_init_script(
        """
        globalThis.held = new Set();
        const { createObjectURL, revokeObjectURL } = URL;
        URL.createObjectURL = (blob) => {
          const url = createObjectURL.call(URL, blob);
          if (blob.type === "image/png") held.add(url);
          return url;
        };
        URL.revokeObjectURL = (url) => {
          held.delete(url);
          revokeObjectURL.call(URL, url);
        };
        """
    )
    gallery.open()
    gallery.sign_in("ada")
    with provider.unfinished():
        watch(gallery, provider, "a heron let go")
        gallery.page.wait_for_function("held.size === 0")
    tile = gallery.grid.locator("li").filter(has_text="a heron let go")
    expect(tile).to_have_class(re.compile("loaded"))
    gallery.page.wait_for_function("held.size === 0")


def test_after_a_failure_nothing_unfinished_is_left(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada")
    provider.behave("events_moderation_blocked")
    with provider.unfinished():
        seen = watch(ada, provider, "a heron nobody may draw")
    expect(ada.works).to_contain_text("Change it and try again")
    expect(seen).to_have_count(0)


def test_signing_out_takes_it_away(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada")
    with provider.unfinished():
        seen = watch(ada, provider, "a heron for ada alone")
        ada.sign_out()
        expect(seen).to_have_count(0)
        expect(ada.works).to_have_count(0)


def test_it_is_accessible_and_fits_on_a_phone(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada", viewport=PHONE, reduced_motion="reduce")
    with provider.unfinished():
        watch(ada, provider, "a heron on a phone")
        results = Axe().run(ada.page)
        assert results.violations_count == 0, results.generate_report()
        assert ada.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
