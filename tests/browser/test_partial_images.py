"""Partial images in the gallery, with a provider that streams them."""

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
# the partial images of the stand-in grow, so each is known by its size
WIDTHS = [64 * number for number in range(1, len(PARTIALS) + 1)]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """The stand-in for the OpenAI API."""
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def pixy(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[InstalledPixy]:
    """A service that requests three partial images of each image."""
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
    """Reset the provider before each test, and release its answers after it."""
    provider.behave("png")
    yield
    provider.finish()


def watch(gallery: GalleryPage, provider: Provider, prompt: str) -> Locator:
    """Make a picture, and return the element that shows its partial images."""
    gallery.make(prompt)
    seen = gallery.works.get_by_role("img", name=f"Unfinished: {prompt}")
    expect(seen).to_be_visible()
    return seen


def test_a_partial_image_is_shown_and_then_the_picture(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada")
    with provider.unfinished():
        seen = watch(ada, provider, "a heron at dawn")
        expect(seen).to_have_js_property("naturalWidth", WIDTHS[-1])
        assert ada.prompts() == []
        # the same partial image is not sent again
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


def test_a_partial_image_replaces_the_previous_one_without_a_layout_shift(
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
        # the text below may have become longer
        assert before is not None
        assert after is not None
        assert before["width"] == after["width"]
        assert ada.page.locator(".preview").bounding_box()["height"] > 100  # type: ignore[index]
        assert ada.page.locator(".preview img").count() == 2
        animations = "document.getAnimations().length"
        assert ada.page.evaluate(animations) == 0


def test_a_picture_does_not_wait_for_a_slow_partial_image(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    # a very slow connection
    ada.page.route(PREVIEW, hold)
    with provider.unfinished(), ada.page.expect_request(PREVIEW):
        ada.make("a heron far away")
    expect(ada.note).to_contain_text("Your picture is ready: a heron far away")
    assert len(held) == 1


def test_the_partial_image_stays_until_the_picture_is_loaded(visit, provider: Provider) -> None:
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


def test_partial_images_are_released_when_they_are_no_longer_shown(
    visit, provider: Provider
) -> None:
    gallery: GalleryPage = visit(alone=True)
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


def test_after_a_failure_no_partial_image_is_left(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada")
    provider.behave("events_moderation_blocked")
    with provider.unfinished():
        seen = watch(ada, provider, "a heron nobody may draw")
    expect(ada.works).to_contain_text("Change it and try again")
    expect(seen).to_have_count(0)


def test_signing_out_removes_the_partial_image(visit, provider: Provider) -> None:
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
