"""Searching: words of the prompt, filters, and their place in the address."""

import datetime
import re

import pytest
from playwright.sync_api import expect

from copied_images import copy_images
from gallery_page import PHONE


@pytest.fixture(scope="module", autouse=True)
def images(pixy) -> None:
    """Some images of ada's, and one of ben's."""
    for user, prompt, visibility in (
        ("ada", "a lighthouse at dusk", "public"),
        ("ada", "a light rain", "private"),
        ("ada", "three boats", "class"),
        ("ben", "a boat of ben's", "class"),
        ("ben", "海の船", "public"),
    ):
        with pixy.client(user) as client:
            wanted = {"prompt": prompt, "visibility": visibility}
            assert client.post("/image", json=wanted).status_code == 201


def search(gallery, words: str) -> None:
    gallery.page.get_by_role("searchbox").press_sequentially(words, delay=20)


def expect_prompts(gallery, *prompts: str) -> None:
    expect(gallery.grid.locator("img")).to_have_count(len(prompts))
    assert gallery.prompts() == list(prompts)


def test_the_search_runs_while_words_are_typed(visit) -> None:
    gallery = visit(user="ada")
    search(gallery, "lig")
    expect_prompts(gallery, "a light rain", "a lighthouse at dusk")
    search(gallery, "hthouse")
    expect(gallery.page).to_have_url(re.compile(r"#/\?q=lighthouse$"))
    expect_prompts(gallery, "a lighthouse at dusk")
    expect(gallery.page.get_by_role("status").first).to_contain_text("1 picture, all of them")
    searches = [request for request in gallery.requests if "q=" in request]
    assert len(searches) < len("lighthouse")


@pytest.mark.slow
def test_words_without_spaces_between_them_are_found(visit) -> None:
    gallery = visit()
    gallery.page.get_by_role("searchbox").fill("船")
    expect_prompts(gallery, "海の船")


def test_an_empty_result_is_stated(visit) -> None:
    gallery = visit()
    search(gallery, "zeppelin")
    expect(gallery.page.get_by_role("status").first).to_contain_text("Nothing found")
    gallery.page.get_by_role("searchbox").fill("")
    expect_prompts(gallery, "海の船", "a lighthouse at dusk")


@pytest.mark.slow
def test_too_many_words_are_refused_in_plain_words(visit) -> None:
    gallery = visit()
    gallery.refusals = {422}
    words = " ".join(f"word{number}" for number in range(17))
    gallery.page.get_by_role("searchbox").fill(words)
    expect(gallery.page.get_by_role("status").first).to_contain_text("at most 16 words")
    gallery.page.get_by_role("searchbox").fill("lighthouse")
    expect_prompts(gallery, "a lighthouse at dusk")


def test_filters_narrow_the_list_and_can_be_cleared(visit) -> None:
    gallery = visit(user="ada")
    page = gallery.page
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Shared with").select_option("class")
    expect_prompts(gallery, "a boat of ben's", "three boats")
    page.get_by_label("Only mine").check()
    expect_prompts(gallery, "three boats")
    page.get_by_role("button", name="Clear").click()
    expect(gallery.grid.locator("img")).to_have_count(5)
    today = datetime.datetime.now().astimezone().date()
    page.get_by_label("Made from").fill(str(today + datetime.timedelta(days=1)))
    expect_prompts(gallery)
    page.get_by_label("Made from").fill(str(today))
    page.get_by_label("until").fill(str(today))
    expect(gallery.grid.locator("img")).to_have_count(5)
    page.get_by_label("until").fill(str(today - datetime.timedelta(days=1)))
    expect_prompts(gallery)


def test_a_search_is_in_the_address_and_stays_while_a_picture_is_open(visit) -> None:
    gallery = visit("/#/?q=lighthouse")
    expect(gallery.page.get_by_role("searchbox")).to_have_value("lighthouse")
    expect_prompts(gallery, "a lighthouse at dusk")
    gallery.picture("a lighthouse").click()
    expect(gallery.viewer).to_be_visible()
    gallery.page.keyboard.press("Escape")
    expect(gallery.viewer).to_be_hidden()
    expect_prompts(gallery, "a lighthouse at dusk")
    gallery.page.get_by_role("link", name="PixyProxy").click()
    expect_prompts(gallery, "海の船", "a lighthouse at dusk")
    expect(gallery.page.get_by_role("searchbox")).to_have_value("")


def test_filters_for_users_are_dropped_at_sign_out(visit) -> None:
    gallery = visit(user="ada")
    gallery.page.get_by_role("button", name="Filters").click()
    gallery.page.get_by_label("Only mine").check()
    expect(gallery.grid.locator("img")).to_have_count(3)
    gallery.sign_out()
    expect_prompts(gallery, "海の船", "a lighthouse at dusk")
    assert gallery.page.url.endswith("#/")


@pytest.mark.slow
def test_a_new_picture_is_not_added_to_a_search_result(visit) -> None:
    gallery = visit(user="ada")
    search(gallery, "dusk")
    expect_prompts(gallery, "a lighthouse at dusk")
    gallery.make("something else")
    expect(gallery.note).to_contain_text("something else")
    assert gallery.prompts() == ["a lighthouse at dusk"]


@pytest.mark.slow
def test_a_closed_panel_shows_how_many_filters_are_active(visit) -> None:
    gallery = visit(user="ada", viewport=PHONE)
    button = gallery.page.get_by_role("button", name="Filters")
    button.click()
    gallery.page.get_by_label("Shared with").select_option("class")
    gallery.page.get_by_label("Only mine").check()
    expect_prompts(gallery, "three boats")
    button.click()
    expect(gallery.page.get_by_label("Only mine")).to_be_hidden()
    expect(gallery.page.get_by_role("button", name="Filters, 2 active")).to_be_visible()
    expect(button.get_by_text("2")).to_be_visible()
    gallery.picture("three boats").click()
    expect(gallery.viewer).to_be_visible()
    gallery.page.keyboard.press("Escape")
    expect(gallery.viewer).to_be_hidden()
    expect(gallery.page.get_by_label("Only mine")).to_be_hidden()
    button.click()
    gallery.page.get_by_role("button", name="Clear").click()
    expect(gallery.page.get_by_role("button", name="Filters", exact=True)).to_be_visible()
    expect(button.get_by_text("0")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize(
    "search", ["from=soon", "until=20262-01-01", "from=2026-13-01", "visibility=all", "sort=old"]
)
def test_invalid_filters_in_the_address_are_ignored(visit, search) -> None:
    gallery = visit(f"/#/?q=lighthouse&{search}")
    expect_prompts(gallery, "a lighthouse at dusk")
    expect(gallery.page.get_by_role("button", name="Filters", exact=True)).to_be_visible()


@pytest.mark.slow
def test_a_date_is_used_once_it_is_complete(visit) -> None:
    gallery = visit()
    gallery.page.get_by_role("button", name="Filters").click()
    start = gallery.page.get_by_label("Made from")
    start.focus()
    # after each digit of the year the field holds a date
    for key in "12311999":
        gallery.page.keyboard.press(key)
        expect(gallery.grid).to_have_attribute("aria-busy", "false")
    expect(start).to_have_value("1999-12-31")
    expect(gallery.page.get_by_role("button", name="Filters, 1 active")).to_be_visible()
    expect_prompts(gallery, "海の船", "a lighthouse at dusk")
    asked = [request for request in gallery.requests if "created_after" in request]
    assert len(asked) == 1
    # the field takes no year of five digits
    start.blur()
    start.focus()
    gallery.page.keyboard.type("123120262")
    expect(start).not_to_have_value("20262-12-31")


def test_anonymous_visitors_are_told_that_filters_need_a_sign_in(visit) -> None:
    gallery = visit("/#/?mine=true")
    status = gallery.page.get_by_role("status").first
    expect(status).to_have_text("Sign in to see what these filters find.")
    gallery.sign_in("ben")
    expect_prompts(gallery, "海の船", "a boat of ben's")


def test_a_failed_search_does_not_show_the_previous_result(visit) -> None:
    gallery = visit()
    gallery.breaks = {"ERR_INTERNET_DISCONNECTED"}
    expect_prompts(gallery, "海の船", "a lighthouse at dusk")
    gallery.page.context.set_offline(True)
    search(gallery, "boat")
    expect(gallery.page.locator("#state")).to_contain_text("The connection to the server failed")
    expect_prompts(gallery)
    gallery.page.context.set_offline(False)
    expect(gallery.page.locator("#state")).to_contain_text("Nothing found")


@pytest.mark.slow
def test_a_search_result_is_shown_from_its_top(visit, pixy) -> None:
    # the copies are in the list, not in the search's index
    copy_images(pixy.folder / "pixy-data", 300)
    gallery = visit()
    first = gallery.grid.locator("[aria-posinset='1']")

    def scroll_down() -> None:
        expect(gallery.grid).to_have_attribute("aria-busy", "false")
        gallery.page.mouse.move(800, 600)
        gallery.page.mouse.wheel(0, 2_500)
        expect(first).to_have_count(0)
        gallery.wait_for_the_end_of_scrolling()

    scroll_down()
    gallery.page.get_by_role("button", name="Filters").click()
    gallery.page.get_by_label("Made from").fill("2000-01-01")
    expect(first).to_be_in_viewport()
    scroll_down()
    gallery.page.get_by_role("searchbox").fill("lighthouse")
    expect_prompts(gallery, "a lighthouse at dusk")
    expect(first).to_be_in_viewport()
    assert gallery.page.evaluate("scrollY") == 0
