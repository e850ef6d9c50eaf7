"""Signing in and out."""

import json
import re

import pytest
from playwright.sync_api import expect

from gallery_page import PHONE, GalleryPage, watching_password_prompts
from installed_pixy import PASSWORD, InstalledPixy

# with a fragment, Chromium does not show the page from its memory
LOAD = """url => new Promise((resolve) => {
  const image = new Image();
  image.onload = () => resolve("there");
  image.onerror = () => resolve("gone");
  image.src = `${url}#${Math.random()}`;
})"""


def disable(gallery: GalleryPage, pixy: InstalledPixy, name: str) -> None:
    """Disable a user whose next request is that of the test."""
    gallery.wait_for_the_end_of_requests()
    pixy.disable_user(name)


def test_a_user_sees_own_pictures_and_those_of_the_class(visit, make_images) -> None:
    make_images("for everyone")
    make_images("for the class", visibility="class")
    make_images("for ada alone", visibility="private")
    gallery = visit()
    assert gallery.prompts() == ["for everyone"]
    gallery.sign_in("eve")
    assert gallery.prompts() == ["for everyone"]
    gallery.sign_out()
    gallery.sign_in("ben")
    assert gallery.prompts() == ["for the class", "for everyone"]
    gallery.sign_out()
    gallery.sign_in("ada")
    assert gallery.prompts() == ["for ada alone", "for the class", "for everyone"]
    expect(gallery.grid.locator(".loaded")).to_have_count(3)
    assert gallery.picture("for ada alone").get_by_text("Private").count() == 1
    fetched = [request for request in gallery.requests if "/content" in request]
    assert all("?width=" in request for request in fetched)


def test_wrong_passwords_are_reported_by_the_form_and_not_by_the_browser(visit) -> None:
    gallery = visit()
    gallery.refusals = {401}
    with watching_password_prompts(gallery.page) as asked:
        gallery.sign_in("ada", "wrong: pässword")
        dialog = gallery.page.get_by_role("dialog", name="Sign in")
        expect(dialog.get_by_role("alert")).to_contain_text("user name or the password is wrong")
        expect(dialog.get_by_label("Password", exact=True)).to_be_focused()
    assert asked == []


@pytest.mark.slow
def test_too_many_wrong_passwords_show_how_long_to_wait(visit, pixy) -> None:
    pixy.add_user("tim", "maths")
    gallery = visit()
    gallery.refusals = {401, 429}
    gallery.sign_in("tim", "wrong")
    fault = gallery.page.get_by_role("dialog", name="Sign in").get_by_role("alert")
    for _ in range(5):
        expect(fault).to_contain_text("user name or the password is wrong")
        gallery.fill_sign_in("tim", "wrong")
    expect(fault).to_contain_text("Too many wrong passwords for this user name. Try again in")


def test_a_user_who_is_disabled_during_a_session_is_signed_out(visit, pixy, make_images) -> None:
    pixy.add_user("max", "maths")
    gallery = visit(user="max")
    gallery.refusals = {401}
    disable(gallery, pixy, "max")
    gallery.make("a boat")
    expect(gallery.note.first).to_contain_text("Sign in again")
    expect(gallery.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_signing_out_forgets_everything(visit, make_images) -> None:
    make_images("kept from strangers", visibility="private")
    gallery = visit()
    gallery.sign_in("ada", keep=True)
    expect(gallery.page.locator("img[src^='blob:']").first).to_be_attached()
    blobs = gallery.page.eval_on_selector_all(
        "img[src^='blob:']", "images => images.map(image => image.src)"
    )
    assert blobs
    loaded = gallery.page.evaluate(f"urls => Promise.all(urls.map({LOAD}))", blobs)
    assert set(loaded) == {"there"}
    gallery.page.get_by_label("What should the picture show?").fill("typed and not sent")
    gallery.sign_out()
    page = gallery.page
    assert "kept from strangers" not in gallery.prompts()
    assert page.evaluate("sessionStorage.length") == 0
    assert PASSWORD not in json.dumps(page.evaluate("({...localStorage})"))
    gallery.breaks = {"ERR_FILE_NOT_FOUND"}
    alive = page.evaluate(f"urls => Promise.all(urls.map({LOAD}))", blobs)
    assert set(alive) == {"gone"}
    page.reload()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.get_by_label("What should the picture show?").input_value() == ""


@pytest.mark.slow
def test_running_requests_are_dropped_at_sign_out(visit, make_images) -> None:
    make_images("on its way", visibility="private")
    gallery = visit()
    # never answered
    gallery.page.route("**/content?*", lambda _: None)
    gallery.sign_in("ada")
    expect(gallery.picture("on its way")).to_be_attached()
    with gallery.page.expect_event("requestfailed"):
        gallery.sign_out()
    assert gallery.page.locator("img[src^='blob:']").count() == 0


def test_nothing_private_is_shown_while_the_public_list_loads(visit, make_images) -> None:
    # two rows on a phone: a row that isn't full is held back while more may follow
    prompts = [f"not to be seen {number}" for number in range(4)]
    make_images(*prompts, visibility="private")
    gallery = visit(user="ada", viewport=PHONE)
    expect(gallery.picture(prompts[-1])).to_be_visible()
    # never answered
    gallery.page.route("**/image?*", lambda _: None)
    gallery.page.get_by_role("button", name="Sign out").click()
    gallery.page.evaluate("""() => new Promise((resolve) => {
      dispatchEvent(new Event("resize"));
      requestAnimationFrame(() => requestAnimationFrame(resolve));
    })""")
    assert gallery.prompts() == []


def test_a_reload_signs_out_unless_stay_signed_in_was_chosen(visit) -> None:
    gallery = visit()
    gallery.sign_in("ada")
    gallery.page.reload()
    expect(gallery.page.get_by_role("button", name="Sign in")).to_be_visible()
    gallery.sign_in("ada", keep=True)
    gallery.page.reload()
    expect(gallery.page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.mark.slow
def test_two_tabs_have_separate_sessions(visit, make_images) -> None:
    gallery = visit()
    gallery.sign_in("ada", keep=True)
    other = GalleryPage(gallery.page.context.new_page(), gallery.url, refusals={404})
    other.open()
    expect(other.page.get_by_role("button", name="Sign in")).to_be_visible()
    other.sign_in("ben")
    gallery.sign_out()
    expect(other.page.get_by_role("button", name="Sign out")).to_be_visible()
    other.check()


def test_typed_text_is_kept_after_a_lost_session_for_the_same_user_only(visit, pixy) -> None:
    pixy.add_user("zoe", "maths")
    gallery = visit(user="zoe")
    gallery.refusals = {401}
    prompt = gallery.page.get_by_label("What should the picture show?")
    prompt.fill("typed before the session was lost")
    gallery.page.get_by_label("Shape").select_option("1536x1024")
    disable(gallery, pixy, "zoe")
    gallery.page.get_by_role("searchbox").fill("boat")
    expect(gallery.note).to_contain_text("Sign in again")
    assert prompt.input_value() == ""
    pixy.enable_user("zoe")
    gallery.sign_in("zoe")
    expect(prompt).to_have_value("typed before the session was lost")
    expect(gallery.page.get_by_label("Shape")).to_have_value("1536x1024")
    gallery.page.reload()
    gallery.sign_in("ben")
    expect(prompt).to_have_value("")
    assert gallery.page.evaluate("sessionStorage.length") == 0


@pytest.mark.slow
def test_a_prompt_sent_with_a_lost_session_can_be_sent_again(visit, pixy) -> None:
    pixy.add_user("kim", "maths")
    gallery = visit(user="kim")
    gallery.refusals = {401}
    disable(gallery, pixy, "kim")
    gallery.make("sent too late")
    expect(gallery.note).to_contain_text("Sign in again")
    expect(gallery.works).to_have_count(0)
    pixy.enable_user("kim")
    gallery.sign_in("kim")
    expect(gallery.works).to_contain_text("You were signed out before this was sent.")
    gallery.works.get_by_role("button", name="Try again").click()
    expect(gallery.picture("sent too late")).to_be_visible()


def test_a_prompt_sent_with_a_lost_session_is_not_shown_to_another_user(visit, pixy) -> None:
    pixy.add_user("lou", "maths")
    gallery = visit(user="lou")
    gallery.refusals = {401}
    disable(gallery, pixy, "lou")
    gallery.make("a secret of lou's")
    expect(gallery.note).to_contain_text("Sign in again")
    gallery.sign_in("ben")
    gallery.sign_out()
    pixy.enable_user("lou")
    gallery.sign_in("lou")
    expect(gallery.works).to_have_count(0)


@pytest.mark.slow
def test_search_words_are_kept_after_a_lost_session_for_the_same_user_only(visit, pixy) -> None:
    pixy.add_user("ivy", "maths")
    gallery = visit(user="ivy")
    gallery.refusals = {401}
    field = gallery.page.get_by_role("searchbox")

    def lose_session() -> None:
        disable(gallery, pixy, "ivy")
        field.fill("a secret of ivy's")
        expect(gallery.note).to_contain_text("Sign in again")
        pixy.enable_user("ivy")

    lose_session()
    gallery.sign_in("ivy")
    expect(field).to_have_value("a secret of ivy's")
    field.fill("")
    expect(gallery.page).to_have_url(re.compile("#/$"))
    lose_session()
    gallery.sign_in("ben")
    expect(field).to_have_value("")
    expect(gallery.page).to_have_url(re.compile("#/$"))


@pytest.mark.slow
def test_the_focus_moves_when_its_element_is_removed(visit, pixy) -> None:
    pixy.add_user("fay", "maths")
    gallery = visit(viewport=PHONE)
    gallery.refusals = {401}
    page = gallery.page
    gallery.sign_in("fay")
    # not on Sign out: a second Enter in the form would end the session
    expect(page.get_by_role("link", name="PixyProxy: all pictures")).to_be_focused()
    gallery.sign_out()
    sign_in = page.get_by_role("button", name="Sign in")
    expect(sign_in).to_be_focused()
    gallery.sign_in("fay")
    disable(gallery, pixy, "fay")
    gallery.make("a boat")
    expect(gallery.note).to_contain_text("Sign in again")
    expect(sign_in).to_be_focused()


def test_signing_out_leaves_no_words_of_a_user_on_the_page(visit, make_images) -> None:
    secret = "words of ada alone"
    make_images(secret, visibility="private")
    gallery = visit(user="ada")
    gallery.page.get_by_role("searchbox").fill(secret)
    expect(gallery.page).to_have_url(re.compile("words"))
    gallery.picture(secret).click()
    expect(gallery.viewer.get_by_role("heading")).to_have_text(secret)
    gallery.viewer.get_by_role("button", name="Use this prompt").click()
    # the viewer is closed a moment later
    expect(gallery.page.get_by_label("What should the picture show?")).to_be_focused()
    gallery.page.keyboard.press("Enter")
    expect(gallery.note).to_contain_text(secret)
    gallery.page.get_by_label("What should the picture show?").fill(secret)
    gallery.note.hover()
    gallery.sign_out()
    expect(gallery.note).to_have_count(0)
    left = gallery.page.evaluate("""() => [
      document.documentElement.outerHTML, location.href, document.title,
      JSON.stringify({...sessionStorage}), JSON.stringify({...localStorage}),
      ...[...document.querySelectorAll("input, textarea")].map((field) => field.value),
    ].join()""")
    assert secret not in left
    assert "ada" not in gallery.page.locator("input").evaluate_all("all => all.map(i => i.value)")


def test_a_lost_session_takes_away_the_private_picture_that_is_open(
    visit, make_images, pixy
) -> None:
    pixy.add_user("pat", "art")
    make_images("open when it happened", visibility="private", user="pat")
    gallery = visit(user="pat")
    gallery.refusals = {401, 404}
    gallery.picture("open when it happened").click()
    # the file itself, not its thumbnail: a later request for it would end the session
    expect(gallery.viewer.locator("img.loaded")).to_have_js_property("naturalWidth", 1024)
    disable(gallery, pixy, "pat")
    gallery.viewer.get_by_label("Public").click()
    expect(gallery.note).to_contain_text("Sign in again")
    assert "open when it happened" not in gallery.page.content()
