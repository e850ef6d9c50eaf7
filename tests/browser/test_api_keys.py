"""API keys in the gallery: made, copied once, listed with their last use, revoked."""

import re

import pytest
from playwright.sync_api import Locator, expect

from gallery_page import DESK, PHONE, GalleryPage

TOKEN = re.compile(r"pixy_[A-Za-z0-9]{10}_[A-Za-z0-9]{43}")


@pytest.fixture
def user(pixy, request: pytest.FixtureRequest) -> str:
    """A user without keys, for one test alone."""
    name = re.sub(r"\W", "", request.node.name)[:40]
    pixy.add_user(name, "maths")
    return name


def open_keys(gallery: GalleryPage) -> Locator:
    with gallery.page.expect_response("**/key"):
        gallery.page.get_by_role("button", name="API keys").click()
    dialog = gallery.page.get_by_role("dialog", name="API keys")
    expect(dialog).to_be_visible()
    return dialog


def make_key(dialog: Locator, name: str, *scopes: str, days: str = "90") -> str:
    """Fill in the form and send it, and return the new key."""
    before = dialog.get_by_label("Copy your new key now").input_value()
    dialog.get_by_label("What is it for?").fill(name)
    for scope in scopes:
        dialog.get_by_label(scope).check()
    dialog.get_by_label("It expires").select_option(days)
    dialog.get_by_role("button", name="Make the key").click()
    field = dialog.get_by_label("Copy your new key now")
    expect(field).not_to_have_value(before)
    return field.input_value()


def test_a_key_is_made_and_works_and_is_shown_once(visit, pixy, user: str) -> None:
    gallery = visit(user=user)
    dialog = open_keys(gallery)
    expect(dialog).to_contain_text("You have no keys.")
    token = make_key(dialog, "night <b>job</b>", "Make pictures", days="")
    assert TOKEN.fullmatch(token)
    item = dialog.get_by_role("list", name="Your API keys").get_by_role("listitem")
    expect(item).to_contain_text("night <b>job</b>")
    expect(item).to_contain_text("May see, make. Does not expire.")
    expect(item).to_contain_text("Never used.")
    with pixy.client() as program:
        headers = {"Authorization": f"Bearer {token}"}
        assert program.post("/image", json={"prompt": "a"}, headers=headers).status_code == 201
        assert program.get("/image?mine=true", headers=headers).json()[0]["owner"] == user
        guid = program.get("/image?mine=true", headers=headers).json()[0]["guid"]
        assert program.delete(f"/image/{guid}", headers=headers).status_code == 403
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    expect(gallery.page.locator("#new-key-text")).to_have_value("")
    assert token not in gallery.page.content()
    open_keys(gallery)
    expect(item).to_have_count(1)
    expect(dialog.get_by_label("Copy your new key now")).to_be_hidden()
    stored = "JSON.stringify([{...localStorage}, {...sessionStorage}])"
    assert token not in gallery.page.evaluate(stored)
    assert not [request for request in gallery.requests if token in request]


@pytest.mark.slow
def test_a_new_key_is_copied(visit, user: str) -> None:
    gallery = visit(user=user, permissions=["clipboard-read", "clipboard-write"])
    dialog = open_keys(gallery)
    token = make_key(dialog, "laptop")
    selected = "document.activeElement.value.slice(0, document.activeElement.selectionEnd)"
    assert gallery.page.evaluate(selected) == token
    dialog.get_by_role("button", name="Copy", exact=True).click()
    expect(dialog.get_by_role("status")).to_have_text("Copied.")
    assert gallery.page.evaluate("navigator.clipboard.readText()") == token


@pytest.mark.slow
def test_the_last_use_is_shown(visit, pixy, user: str) -> None:
    gallery = visit(user=user)
    dialog = open_keys(gallery)
    token = make_key(dialog, "laptop")
    with pixy.client() as program:
        headers = {"Authorization": f"Bearer {token}"}
        assert program.get("/image", headers=headers).status_code == 200
    item = dialog.get_by_role("listitem")
    for _ in range(40):
        dialog.get_by_role("button", name="Close").click()
        open_keys(gallery)
        expect(item).to_have_count(1)
        if "Last used" in (item.text_content() or ""):
            break
        gallery.page.wait_for_timeout(500)
    expect(item).to_contain_text("Last used")


def test_a_key_is_revoked_by_keyboard_after_a_question(visit, pixy, user: str) -> None:
    gallery = visit(user=user)
    keyboard = gallery.page.keyboard
    gallery.page.get_by_role("button", name="API keys").focus()
    keyboard.press("Enter")
    dialog = gallery.page.get_by_role("dialog", name="API keys")
    expect(dialog.get_by_role("heading", name="API keys")).to_be_focused()
    expect(dialog).to_contain_text("You have no keys.")
    token = make_key(dialog, "laptop")
    make_key(dialog, "phone")
    item = dialog.get_by_role("listitem").filter(has_text="laptop")
    item.get_by_role("button", name="Revoke laptop").focus()
    keyboard.press("Enter")
    expect(item).to_contain_text("Programs that use it stop working.")
    expect(item.get_by_role("button", name="Keep it")).to_be_focused()
    keyboard.press("Enter")
    expect(item.get_by_role("button", name="Revoke laptop")).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Shift+Tab")
    expect(item.get_by_role("button", name="Revoke for good")).to_be_focused()
    keyboard.press("Enter")
    expect(dialog.get_by_role("status")).to_have_text("Revoked laptop.")
    expect(dialog.get_by_role("heading", name="API keys")).to_be_focused()
    expect(dialog.get_by_role("listitem")).to_have_count(1)
    with pixy.client() as program:
        headers = {"Authorization": f"Bearer {token}"}
        assert program.get("/image", headers=headers).status_code == 401
    keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(gallery.page.get_by_role("button", name="API keys")).to_be_focused()


@pytest.mark.slow
def test_what_the_server_refuses_is_told_in_the_dialog(visit, user: str) -> None:
    gallery = visit(user=user)
    gallery.refusals = {422}
    gallery.breaks = {"ERR_FAILED"}
    dialog = open_keys(gallery)
    fault = dialog.get_by_role("alert")
    dialog.get_by_label("What is it for?").fill("laptop")
    dialog.get_by_label("See what you see").uncheck()
    dialog.get_by_role("button", name="Make the key").click()
    expect(fault).to_have_text("Choose at least one thing that the key may do.")
    dialog.get_by_label("See what you see").check()
    dialog.get_by_label("What is it for?").fill("\u200b")
    dialog.get_by_role("button", name="Make the key").click()
    expect(fault).to_contain_text("must not contain control or format characters")
    gallery.page.route("**/key", lambda route: route.abort())
    dialog.get_by_label("What is it for?").fill("laptop")
    dialog.get_by_role("button", name="Make the key").click()
    expect(fault).to_contain_text("The connection to the server failed.")
    expect(dialog.get_by_label("What is it for?")).to_have_value("laptop")


@pytest.mark.slow
def test_signed_in_with_a_key_there_are_no_keys_to_look_after(visit, pixy, user: str) -> None:
    with pixy.client(user) as client:
        wanted = {"name": "laptop", "scopes": ["read"]}
        token = client.post("/key", json=wanted).raise_for_status().json()["key"]
    gallery = visit()
    gallery.refusals = {403}
    gallery.page.get_by_role("button", name="Sign in").click()
    gallery.fill_sign_in(user, token)
    expect(gallery.page.get_by_role("button", name="Sign out")).to_be_visible()
    dialog = open_keys(gallery)
    expect(dialog.get_by_role("alert")).to_contain_text("Sign in with your password")


def test_a_lost_session_closes_the_dialog_and_forgets_the_key(visit, pixy, user: str) -> None:
    gallery = visit(user=user)
    gallery.refusals = {401}
    dialog = open_keys(gallery)
    token = make_key(dialog, "laptop")
    gallery.wait_for_the_end_of_requests()
    pixy.disable_user(user)
    dialog.get_by_label("What is it for?").fill("another")
    dialog.get_by_role("button", name="Make the key").click()
    expect(dialog).to_be_hidden()
    expect(gallery.note.first).to_contain_text("Sign in again")
    expect(gallery.page.locator("#new-key-text")).to_have_value("")
    assert token not in gallery.page.content()
    expect(gallery.page.get_by_role("button", name="API keys")).to_be_hidden()


@pytest.mark.slow
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_dialog_fits_the_screen(visit, user: str, size: dict[str, int]) -> None:
    gallery = visit(user=user, viewport=size)
    dialog = open_keys(gallery)
    make_key(dialog, "w" * 64)
    dialog.get_by_role("button", name="Revoke").click()
    box = dialog.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size["width"]
    assert dialog.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
