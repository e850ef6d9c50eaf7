"""Making pictures, with a stand-in provider that can be slow or refuse."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from httpx2 import Client
from playwright.sync_api import Route, expect

from gallery_page import PHONE, GalleryPage
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
    """A service whose images come from the stand-in provider, four at once."""
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
def well_behaved(provider: Provider, pixy: InstalledPixy) -> None:
    """Reset the provider, and remove the failures of the previous test."""
    provider.behave("png")
    with pixy.client("ada") as client:
        for failure in list_failures(client):
            client.delete(f"/image/{failure['guid']}")


def list_failures(client: Client) -> list[dict[str, Any]]:
    """Return Ada's failures, as the server lists them."""
    failed, unknown = (client.get(f"/image?status={status}") for status in ("failed", "unknown"))
    return [*failed.json(), *unknown.json()]


@pytest.fixture
def ada(visit) -> GalleryPage:
    """Ada's tab."""
    gallery: GalleryPage = visit(user="ada")
    return gallery


def test_a_picture_is_made_shown_and_announced(visit, provider: Provider) -> None:
    # the other tests see no animations
    ada: GalleryPage = visit(user="ada", reduced_motion="no-preference")
    choices = {"Who may see it": "public", "Shape": "1536x1024", "Quality": "low"}
    ada.make("a heron\nin the reeds", **choices)
    expect(ada.note).to_contain_text("Your picture is ready: a heron in the reeds")
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


def test_several_pictures_are_made_while_the_user_browses(
    ada: GalleryPage, provider: Provider
) -> None:
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
    expect(ada.note).to_have_count(1)
    expect(ada.note).to_contain_text("2 pictures are ready.")
    ada.page.keyboard.press("Escape")
    expect(ada.picture("first of two")).to_be_visible()
    expect(ada.picture("second of two")).to_be_visible()


@pytest.mark.slow
def test_the_progress_is_estimated_from_earlier_pictures(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada", alone=True)
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
        expect(ada.works).to_contain_text(
            re.compile(r"[5-9] s so far; the last ones took about 11 s\.")
        )
        bar = ada.works.get_by_role("progressbar")
        assert 0.4 < float(bar.get_attribute("value") or 0) < 0.9
        ada.page.clock.run_for(9_000)
        expect(ada.works).to_contain_text("longer than usual")
        assert bar.get_attribute("value") is None
    expect(ada.works).to_have_count(0)


@pytest.mark.slow
def test_a_hidden_tab_announces_a_picture_in_its_title(ada: GalleryPage, provider) -> None:
    with provider.holding():
        ada.make("told elsewhere")
        ada.page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true})"
        )
    expect(ada.page).to_have_title("● Your picture is ready · PixyProxy")
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
    "moderation_blocked": (422, "Change it and try again", None),
    "overloaded": (
        503,
        "The image provider is busy. Try again in",
        "Try again",
    ),
    "insufficient_quota": (503, "The budget for pictures is used up.", "Try again"),
    "unauthorized": (502, "rejects the server’s key", "Try again"),
    "reset": (502, "Check your pictures in a minute", "Make it again, and pay again"),
}


QUICK = ("moderation_blocked", "reset")


@pytest.mark.parametrize(
    "behaviour",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in REFUSALS],
)
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


@pytest.mark.slow
def test_a_request_waits_for_a_place_counts_down_and_is_sent_again(
    ada: GalleryPage, provider: Provider
) -> None:
    ada.refusals = {503}
    before = provider.paid_requests
    with provider.holding():
        for number in range(3):
            ada.make(f"taken {number}")
        provider.wait_for_requests(before + 3)
        with ada.page.expect_request("**/image") as first:
            ada.make("one too many")
        waiting = ada.works.first
        expect(waiting).to_contain_text(
            re.compile(r"already making as many .* Trying again in (10|9) s")
        )
        expect(waiting).to_contain_text(re.compile("Trying again in [1-8] s"))
        expect(waiting.get_by_role("progressbar")).to_be_hidden()
    with ada.page.expect_request("**/image") as second:
        pass
    assert first.value.headers["idempotency-key"] == second.value.headers["idempotency-key"]
    expect(ada.picture("one too many")).to_be_visible()
    assert provider.paid_requests == before + 4


@pytest.mark.slow
def test_a_request_that_waits_for_a_place_can_be_cancelled(visit, provider: Provider) -> None:
    ada: GalleryPage = visit(user="ada", alone=True)
    ada.refusals = {503}
    before = provider.paid_requests
    ada.page.clock.install()
    with provider.holding():
        for number in range(3):
            ada.make(f"kept {number}")
        provider.wait_for_requests(before + 3)
        ada.make("not wanted any more")
        ada.works.first.get_by_role("button", name="Cancel").click()
        expect(ada.works).to_have_count(3)
    expect(ada.works).to_have_count(0)
    ada.page.clock.run_for(30_000)
    expect(ada.picture("kept 2")).to_be_visible()
    assert provider.paid_requests == before + 3


@pytest.mark.slow
def test_a_failed_picture_counts_down_until_it_can_be_tried_again(
    visit, provider: Provider
) -> None:
    ada: GalleryPage = visit(user="ada", alone=True)
    ada.refusals = {503}
    provider.behave("overloaded")
    ada.page.clock.install()
    ada.make("in a hurry")
    expect(ada.works).to_contain_text(re.compile(r"Try again in (30|2\d) seconds\."))
    ada.page.clock.run_for(20_000)
    expect(ada.works).to_contain_text(re.compile("Try again in ([1-9]|10) second"))
    ada.page.clock.run_for(15_000)
    expect(ada.works).to_contain_text("Try again now.")


def test_failures_are_shown_after_a_reload_until_they_are_dismissed(
    visit, pixy: InstalledPixy, provider: Provider
) -> None:
    gallery: GalleryPage = visit()
    gallery.refusals = {422, 502}
    gallery.sign_in("ada", keep=True)
    provider.behave("moderation_blocked")
    gallery.make("a rejected prompt")
    expect(gallery.works).to_contain_text("Change it and try again")
    provider.behave("reset")
    gallery.make("of unknown fate")
    expect(gallery.works.first).to_contain_text("may have been charged")
    gallery.page.reload()
    expect(gallery.works).to_have_count(2)
    expect(gallery.works.first).to_contain_text("of unknown fate")
    expect(gallery.works.first).to_contain_text("may have been charged")
    expect(gallery.works.last).to_contain_text("a rejected prompt")
    for count in (1, 0):
        with gallery.page.expect_response(
            lambda response: response.request.method == "DELETE"
        ) as deleted:
            gallery.works.first.get_by_role("button", name="Dismiss").click()
        assert deleted.value.status == 204
        expect(gallery.works).to_have_count(count)
    with pixy.client("ada") as client:
        assert list_failures(client) == []


@pytest.mark.slow
def test_a_failure_that_is_dismissed_at_once_does_not_come_back(
    visit, pixy: InstalledPixy, provider: Provider
) -> None:
    gallery: GalleryPage = visit()
    gallery.refusals = {422}
    gallery.sign_in("ada", keep=True)
    provider.behave("moderation_blocked")
    gallery.make("rejected and dismissed")
    with gallery.page.expect_response(lambda response: response.request.method == "DELETE"):
        gallery.works.get_by_role("button", name="Dismiss").click()
    with gallery.page.expect_response("**/image?status=unknown"):
        gallery.page.reload()
    expect(gallery.grid).to_have_attribute("aria-busy", "false")
    expect(gallery.works).to_have_count(0)


@pytest.mark.slow
def test_a_failure_from_before_a_reload_can_be_tried_again(
    visit, pixy: InstalledPixy, provider: Provider
) -> None:
    gallery: GalleryPage = visit()
    gallery.refusals = {503}
    gallery.sign_in("ada", keep=True)
    provider.behave("overloaded")
    gallery.make("tried again after a reload")
    expect(gallery.works).to_contain_text("The image provider is busy")
    gallery.page.reload()
    expect(gallery.works).to_contain_text("tried again after a reload")
    provider.behave("png")
    with gallery.page.expect_response(lambda response: response.request.method == "DELETE"):
        gallery.works.get_by_role("button", name="Try again").click()
    expect(gallery.picture("tried again after a reload")).to_be_visible()
    expect(gallery.works).to_have_count(0)
    with pixy.client("ada") as client:
        assert list_failures(client) == []


@pytest.mark.slow
def test_many_failures_do_not_push_the_pictures_away(
    visit, pixy: InstalledPixy, provider: Provider
) -> None:
    provider.behave("moderation_blocked")
    with pixy.client("ada") as client:
        for number in range(6):
            client.post("/image", json={"prompt": f"rejected {number}"})
    phone: GalleryPage = visit(user="ada", viewport=PHONE)
    expect(phone.works).to_have_count(1)
    gallery: GalleryPage = visit(user="ada")
    expect(gallery.works).to_have_count(3)
    gallery.page.get_by_role("button", name="Show 3 more that failed").click()
    expect(gallery.works).to_have_count(6)
    expect(gallery.works.first).to_contain_text("rejected 5")


@pytest.mark.slow
def test_five_pictures_share_one_note_and_each_is_announced_to_screen_readers(
    visit, provider: Provider
) -> None:
    gallery: GalleryPage = visit(user="ada", viewport=PHONE)
    before = provider.paid_requests
    prompts = [f"one of five, no. {number}" for number in range(5)]
    with provider.holding():
        for prompt in prompts[:3]:
            gallery.make(prompt)
        provider.wait_for_requests(before + 3)
    expect(gallery.note).to_contain_text("3 pictures are ready.")
    # it stays while the pointer is on it
    gallery.note.hover()
    for prompt in prompts[3:]:
        gallery.make(prompt)
        expect(gallery.note).to_contain_text(prompt)
    expect(gallery.note).to_have_count(1)
    expect(gallery.note).to_contain_text("5 pictures are ready.")
    box = gallery.note.bounding_box()
    assert box is not None
    assert box["height"] < PHONE["height"] / 3
    spoken = gallery.page.get_by_role("log").inner_text()
    assert all(prompt in spoken for prompt in prompts)
    gallery.note.get_by_role("button", name="Look").click()
    expect(gallery.viewer.get_by_role("heading")).to_have_text(prompts[-1])


@pytest.mark.slow
def test_the_first_tap_after_make_it_opens_the_picture_under_the_finger(
    visit, make_images, provider: Provider
) -> None:
    make_images(*(f"to be touched {number}" for number in range(8)))
    gallery: GalleryPage = visit(user="ada", viewport=PHONE, has_touch=True, is_mobile=True)
    gallery.page.get_by_label("What should the picture show?").tap()
    gallery.page.keyboard.type("made by a thumb")
    with provider.holding():
        gallery.page.get_by_role("button", name="Make it").tap()
        expect(gallery.works).to_have_count(1)
        tile = gallery.grid.get_by_role("link").nth(2)
        tile.scroll_into_view_if_needed()
        box = tile.bounding_box()
        assert box is not None
        # near its lower edge, where the next row would be if something above it shrank
        gallery.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] - 8)
        expect(gallery.viewer).to_be_visible()
    assert gallery.page.url.endswith(tile.get_attribute("href") or "nowhere")
    expect(gallery.works).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize("content_type", ["text/html", "application/problem+json"])
def test_an_error_of_the_server_is_not_reported_as_a_broken_connection(
    ada: GalleryPage, content_type: str
) -> None:
    ada.refusals = {500}
    answer = {"status": 500, "content_type": content_type, "body": "Internal Server Error"}
    ada.page.route("**/image", lambda route: route.fulfill(**answer))  # type: ignore[arg-type]
    ada.make("met an error")
    expect(ada.works).to_contain_text("Something went wrong on the server.")
    ada.page.unroute_all()
    ada.works.get_by_role("button", name="Try again").click()
    expect(ada.picture("met an error")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("broken", [True, False])
def test_an_error_while_a_picture_is_made_is_shown_until_it_is_over(
    ada: GalleryPage, provider: Provider, broken: bool
) -> None:
    ada.refusals, ada.breaks = {500}, {"ERR_FAILED"}

    def fail(route: Route) -> None:
        route.abort() if broken else route.fulfill(status=500)

    with provider.holding():
        with ada.page.expect_request(DETAILS):
            ada.make("in spite of trouble")
        ada.page.route(DETAILS, fail)
        words = "The connection to the server failed" if broken else "Something went wrong on the"
        expect(ada.works).to_contain_text(words)
        ada.page.unroute_all()
    expect(ada.picture("in spite of trouble")).to_be_visible()


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
    expect(ada.works).to_contain_text("The connection to the server failed")
    ada.works.get_by_role("button", name="Try again").click()
    expect(ada.picture("over a bad line")).to_be_visible()
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_reload_continues_with_pending_pictures(visit, provider: Provider) -> None:
    gallery: GalleryPage = visit()
    gallery.sign_in("ada", keep=True)
    before = provider.paid_requests
    with provider.holding():
        # when the page requests its details, the server has named it
        with gallery.page.expect_request(DETAILS):
            gallery.make("made across a reload")
        gallery.page.reload()
        expect(gallery.works).to_contain_text("made across a reload")
    expect(gallery.note).to_contain_text("made across a reload")
    expect(gallery.picture("made across a reload")).to_be_visible()
    assert provider.paid_requests == before + 1


@pytest.mark.slow
def test_a_failure_during_a_reload_is_shown(visit, provider: Provider) -> None:
    gallery: GalleryPage = visit()
    gallery.sign_in("ada", keep=True)
    provider.behave("moderation_blocked")
    with provider.holding():
        with gallery.page.expect_request(DETAILS):
            gallery.make("refused unseen")
        gallery.page.goto("about:blank")
    gallery.open()
    expect(gallery.works).to_contain_text("Change it and try again")
    gallery.sign_out()
    assert gallery.page.evaluate("sessionStorage.length") == 0


@pytest.mark.slow
def test_the_page_works_without_the_features_that_need_https(visit, provider: Provider) -> None:
    gallery: GalleryPage = visit(alone=True)
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
