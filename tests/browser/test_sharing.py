"""Showing pictures to others, and deleting them."""

import time

import pytest
from playwright.sync_api import expect


def guids_of(pixy, user: str = "ada") -> set[str]:
    with pixy.client(user) as client:
        return {image["guid"] for image in client.get("/image").json()}


def test_the_visibility_of_a_picture_is_changed_in_place(visit, make_images, pixy) -> None:
    (guid,) = make_images("to be shown", visibility="private")
    gallery = visit(user="ada")
    gallery.picture("to be shown").click()
    for name, meaning in (
        ("Private", "Only you can see it."),
        ("My class", "Everyone in your class can see it."),
        ("Public", "Everyone can see it"),
    ):
        expect(gallery.viewer.get_by_label(name)).to_be_visible()
        expect(gallery.viewer.get_by_text(meaning)).to_be_visible()
    expect(gallery.viewer.get_by_label("Private")).to_be_checked()
    gallery.viewer.get_by_label("Public").check()
    expect(gallery.note).to_contain_text("Public")
    with pixy.client() as stranger:
        assert stranger.get(f"/image/{guid}").status_code == 200
    assert "to be shown" in visit().prompts()


def test_only_the_owner_is_offered_to_change_it(visit, make_images) -> None:
    make_images("of ada", visibility="class")
    gallery = visit(user="ben")
    gallery.picture("of ada").click()
    expect(gallery.viewer.get_by_text("your class", exact=True)).to_be_visible()
    expect(gallery.viewer.get_by_role("button", name="Delete")).to_be_hidden()
    expect(gallery.viewer.get_by_label("Public")).to_be_hidden()


def test_a_deletion_can_be_undone(visit, make_images, pixy) -> None:
    (guid,) = make_images("deleted by mistake")
    gallery = visit(user="ada")
    before = gallery.prompts()
    gallery.picture("deleted by mistake").click()
    gallery.viewer.get_by_role("button", name="Delete").click()
    expect(gallery.viewer).to_be_hidden()
    expect(gallery.picture("deleted by mistake")).to_be_hidden()
    gallery.note.get_by_role("button", name="Undo").click()
    expect(gallery.picture("deleted by mistake")).to_be_visible()
    assert gallery.prompts() == before
    assert guid in guids_of(pixy)
    assert not [request for request in gallery.requests if request.startswith("DELETE")]


@pytest.mark.parametrize(
    "how",
    [
        "dismiss",
        pytest.param("time", marks=pytest.mark.slow),
        pytest.param("sign out", marks=pytest.mark.slow),
        pytest.param("close", marks=pytest.mark.slow),
        "reload",
    ],
)
def test_a_deletion_happens_when_it_can_no_longer_be_undone(
    visit, make_images, pixy, how: str
) -> None:
    (guid,) = make_images(f"deleted: {how}")
    gallery = visit(alone=how in ("time", "close"))
    # requests for its files may come after its end
    gallery.refusals = {404}
    if how == "time":
        gallery.page.clock.install()
    gallery.sign_in("ada")
    gallery.picture(f"deleted: {how}").click()
    gallery.viewer.get_by_role("button", name="Delete").click()
    expect(gallery.note).to_contain_text("Deleted")
    assert guid in guids_of(pixy)
    if how == "dismiss":
        gallery.note.get_by_role("button", name="Dismiss").click()
    elif how == "time":
        gallery.page.mouse.move(800, 10)
        gallery.page.clock.run_for(10_000)
    elif how == "sign out":
        gallery.sign_out()
    elif how == "close":
        gallery.page.close(run_before_unload=True)
    else:
        gallery.page.reload()
    wait_until(lambda: guid not in guids_of(pixy))


def test_a_picture_that_another_tab_deleted_is_reported_in_plain_words(
    visit, make_images, pixy
) -> None:
    (guid,) = make_images("gone meanwhile")
    gallery = visit(user="ada")
    gallery.refusals = {404}
    # the page asks for the details when it opens a picture, and must get them before
    with gallery.page.expect_response(f"**/image/{guid}"):
        gallery.picture("gone meanwhile").click()
    expect(gallery.viewer.get_by_label("Private")).to_be_visible()
    with pixy.client("ada") as ada:
        assert ada.delete(f"/image/{guid}").status_code == 204
    # a click, because `check` could find it unchecked again after a quick answer
    gallery.viewer.get_by_label("Private").click()
    expect(gallery.viewer.get_by_role("alert")).to_contain_text("This picture was deleted")
    expect(gallery.viewer.get_by_role("button", name="Delete")).to_be_hidden()
    gallery.viewer.get_by_role("button", name="Close").click()
    expect(gallery.picture("gone meanwhile")).to_have_count(0)


@pytest.mark.slow
def test_a_picture_that_is_gone_when_it_is_opened_offers_nothing(visit, make_images, pixy) -> None:
    (guid,) = make_images("gone before", "its neighbour")[:1]
    gallery = visit(user="ada")
    gallery.refusals = {404}
    with pixy.client("ada") as ada:
        assert ada.delete(f"/image/{guid}").status_code == 204
    gallery.picture("gone before").click()
    expect(gallery.viewer.get_by_role("alert")).to_contain_text("This picture was deleted")
    expect(gallery.viewer.get_by_role("button", name="Delete")).to_be_hidden()
    expect(gallery.viewer.get_by_role("button", name="Close")).to_be_focused()
    gallery.page.keyboard.press("Escape")
    expect(gallery.picture("gone before")).to_have_count(0)


@pytest.mark.slow
def test_a_change_by_another_tab_is_shown_when_the_picture_is_opened(
    visit, make_images, pixy
) -> None:
    (guid,) = make_images("shared elsewhere", visibility="private")
    gallery = visit(user="ada")
    with pixy.client("ada") as ada:
        ada.patch(f"/image/{guid}", json={"visibility": "class"}).raise_for_status()
    gallery.picture("shared elsewhere").click()
    expect(gallery.viewer.get_by_label("My class")).to_be_checked()


def wait_until(is_true) -> None:
    """Wait until a condition is true; requests that outlive their page may be slow."""
    deadline = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
