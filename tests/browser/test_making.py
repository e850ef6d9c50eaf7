"""Making pictures, with a stand-in provider that can be slow or refuse."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect

from gallery_page import GalleryPage
from installed_pixy import InstalledPixy
from provider import Provider

DETAILS = re.compile("/image/[0-9a-f-]{36}$")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """The stand-in for the OpenAI API."""
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def pixy(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[InstalledPixy]:
    """A service that buys its images from the stand-in, four at once."""
    installed = InstalledPixy(
        tmp_path_factory.mktemp("pixy"),
        PIXY_GENERATOR="openai",
        OPENAI_API_KEY="sk-of-the-test",
        OPENAI_BASE_URL=provider.base_url,
        PIXY_GENERATION_CONCURRENCY="3",
    )
    installed.add_user("ada", "maths")
    installed.start()
    yield installed
    installed.kill()


@pytest.fixture(autouse=True)
def well_behaved(provider: Provider) -> None:
    """Each test begins with a provider that draws."""
    provider.behave("png")


@pytest.fixture
def ada(visit) -> GalleryPage:
    """Ada's tab."""
    gallery: GalleryPage = visit(user="ada")
    return gallery


def test_a_picture_is_made_and_shown_and_told_of(ada: GalleryPage, provider: Provider) -> None:
    choices = {"Who may see it": "public", "Shape": "1536x1024", "Quality": "low"}
    ada.make("a heron\nin the reeds", **choices)
    expect(ada.note).to_contain_text("Your picture is there: a heron in the reeds")
    expect(ada.picture("a heron in the reeds")).to_be_visible()
    expect(ada.works).to_have_count(0)
    asked = provider.requests[-1].body
    assert (asked["size"], asked["quality"]) == ("1536x1024", "low")
    ada.note.get_by_role("button", name="Look").click()
    expect(ada.viewer.get_by_label("Public")).to_be_checked()
    ada.viewer.get_by_role("button", name="Use this prompt").click()
    prompt = ada.page.get_by_label("What should the picture show?")
    expect(prompt).to_be_focused()
    expect(prompt).to_have_value("a heron\nin the reeds")


def test_several_are_made_while_one_looks_around(ada: GalleryPage, provider: Provider) -> None:
    before = provider.paid_requests
    with provider.holding():
        ada.make("first of two")
        ada.page.get_by_label("What should the picture show?").fill("second of two")
        ada.page.keyboard.press("Enter")
        provider.wait_for_requests(before + 2)
        expect(ada.works).to_have_count(2)
        expect(ada.works.first).to_contain_text(re.compile(r"\d+ s so far"))
        assert ada.works.first.get_by_role("progressbar").is_visible()
        ada.picture("a heron in the reeds").click()
        expect(ada.viewer).to_be_visible()
    expect(ada.note).to_have_count(2)
    ada.page.keyboard.press("Escape")
    expect(ada.picture("first of two")).to_be_visible()
    expect(ada.picture("second of two")).to_be_visible()


def test_the_progress_goes_by_what_earlier_pictures_took(ada: GalleryPage, provider) -> None:
    ada.page.clock.install()
    ada.make("a measure")
    expect(ada.note).to_contain_text("a measure")
    ada.page.evaluate(
        "localStorage['pixy.durations'] = JSON.stringify("
        "Object.fromEntries(Object.entries(JSON.parse(localStorage['pixy.durations']))"
        ".map(([key, value]) => [key, Array.isArray(value) ? [9, 20, 11] : value])))"
    )
    with provider.holding():
        ada.make("a slow one")
        ada.page.clock.run_for(5_000)
        expect(ada.works).to_contain_text("5 s so far; the last ones took about 11 s.")
        bar = ada.works.get_by_role("progressbar")
        assert 0.4 < float(bar.get_attribute("value") or 0) < 0.5
        ada.page.clock.run_for(9_000)
        expect(ada.works).to_contain_text("longer than usual")
        assert bar.get_attribute("value") is None
    expect(ada.works).to_have_count(0)


def test_who_looks_at_another_tab_reads_it_in_the_title(ada: GalleryPage, provider) -> None:
    with provider.holding():
        ada.make("told elsewhere")
        ada.page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
        )
    expect(ada.page).to_have_title("● Your picture is there · PixyProxy")
    ada.page.evaluate("delete document.hidden")
    ada.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(ada.page).to_have_title("PixyProxy")


def test_a_double_click_buys_one_picture(ada: GalleryPage, provider: Provider) -> None:
    before = provider.paid_requests
    ada.page.get_by_label("What should the picture show?").fill("bought once")
    ada.page.get_by_role("button", name="Make it").dblclick()
    expect(ada.note).to_contain_text("bought once")
    assert provider.paid_requests == before + 1


REFUSALS = {
    "moderation_blocked": (422, "Reword it", None),
    "rate_limit_exceeded": (
        503,
        "The image provider is busy. Try again in 7 seconds.",
        "Try again",
    ),
    "insufficient_quota": (503, "The budget for pictures is used up.", "Try again"),
    "unauthorized": (502, "refuses PixyProxy’s key", "Try again"),
    "reset": (502, "Look among your pictures in a minute", "Make it again, and pay again"),
}


@pytest.mark.parametrize("behaviour", REFUSALS)
def test_an_error_says_what_to_do_next(
    ada: GalleryPage, provider: Provider, behaviour: str
) -> None:
    status, words, button = REFUSALS[behaviour]
    ada.refusals = {status}
    provider.behave(behaviour)
    before = provider.paid_requests
    ada.make(f"a case of {behaviour}")
    failed = ada.works
    expect(failed).to_contain_text(words)
    assert provider.paid_requests == before + 1
    provider.behave("png")
    if button is None:
        expect(failed.get_by_role("button", name="again")).to_have_count(0)
        failed.get_by_role("button", name="Edit the prompt").click()
        prompt = ada.page.get_by_label("What should the picture show?")
        expect(prompt).to_have_value(f"a case of {behaviour}")
        expect(failed).to_have_count(0)
    else:
        failed.get_by_role("button", name=button).click()
        expect(ada.picture(f"a case of {behaviour}")).to_be_visible()


def test_when_all_places_are_taken_it_says_when_to_try_again(
    ada: GalleryPage, provider: Provider
) -> None:
    ada.refusals = {503}
    before = provider.paid_requests
    with provider.holding():
        for number in range(3):
            ada.make(f"taken {number}")
        provider.wait_for_requests(before + 3)
        ada.make("one too many")
        expect(ada.works.first).to_contain_text(
            "All places for making pictures are taken. Try again in"
        )
    expect(ada.works).to_have_count(1)
    ada.works.get_by_role("button", name="Dismiss").click()
    expect(ada.works).to_have_count(0)


def test_without_a_connection_the_same_request_is_sent_once_more(
    ada: GalleryPage, provider: Provider
) -> None:
    ada.breaks = {"ERR_FAILED"}
    keys = []

    def break_off(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        route.abort()

    def let_through(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        route.continue_()

    ada.page.route("**/image", let_through)
    ada.page.route("**/image", break_off, times=1)
    ada.make("over a bad line")
    expect(ada.works).to_contain_text("can’t be reached")
    ada.works.get_by_role("button", name="Try again").click()
    expect(ada.picture("over a bad line")).to_be_visible()
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_reload_takes_up_what_is_being_made(visit, provider: Provider) -> None:
    gallery: GalleryPage = visit()
    gallery.sign_in("ada", keep=True)
    before = provider.paid_requests
    with provider.holding():
        # the server has named it by the time that the page asks for it
        with gallery.page.expect_request(DETAILS):
            gallery.make("made across a reload")
        gallery.page.reload()
        expect(gallery.works).to_contain_text("made across a reload")
    expect(gallery.note).to_contain_text("made across a reload")
    expect(gallery.picture("made across a reload")).to_be_visible()
    assert provider.paid_requests == before + 1


def test_a_failure_during_a_reload_is_told(visit, provider: Provider) -> None:
    gallery: GalleryPage = visit()
    gallery.sign_in("ada", keep=True)
    provider.behave("moderation_blocked")
    with provider.holding():
        with gallery.page.expect_request(DETAILS):
            gallery.make("refused unseen")
        gallery.page.goto("about:blank")
    gallery.open()
    expect(gallery.works).to_contain_text("Reword it")
    gallery.sign_out()
    assert gallery.page.evaluate("sessionStorage.length") == 0


def test_what_browsers_keep_from_plain_http_is_not_needed(visit, provider: Provider) -> None:
    gallery: GalleryPage = visit()
    gallery.page.add_init_script(
        "delete Crypto.prototype.randomUUID; delete Navigator.prototype.clipboard"
    )
    gallery.open()
    gallery.sign_in("ada")
    with gallery.page.expect_request("**/image") as posted:
        gallery.make("over plain http")
    key = posted.value.headers["idempotency-key"]
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", key)
    gallery.note.get_by_role("button", name="Look").click()
    gallery.viewer.get_by_role("button", name="Copy link").click()
    expect(gallery.note.last).to_contain_text("Link copied.")
