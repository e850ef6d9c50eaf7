"""The viewer of one picture: keys, swipes, addresses, links and downloads."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from gallery_page import PHONE


@pytest.fixture(scope="module")
def guids() -> dict[str, str]:
    """The module's images: prompt -> guid."""
    return {}


@pytest.fixture
def images(guids, make_images) -> dict[str, str]:
    """Four public images and a private one, made once."""
    if not guids:
        for prompt in ("one", "two", "three", "four"):
            (guids[prompt],) = make_images(prompt)
        (guids["mine"],) = make_images("mine", visibility="private")
    return guids


def test_it_shows_the_picture_and_its_details(visit, images) -> None:
    gallery = visit()
    gallery.picture("three").click()
    viewer = gallery.viewer
    expect(viewer.get_by_role("heading", name="three")).to_be_visible()
    expect(viewer.get_by_text("1024 × 1024")).to_be_visible()
    expect(viewer.get_by_text("the offline sketch generator")).to_be_visible()
    expect(viewer.get_by_text("everyone", exact=True)).to_be_visible()
    expect(viewer.locator("img.loaded")).to_have_js_property("naturalWidth", 1024)
    for name in ("Delete", "Use this prompt", "Private"):
        expect(viewer.get_by_text(name)).to_be_hidden()


def test_keys_lead_to_the_neighbours_and_back_to_the_grid(visit, images) -> None:
    gallery = visit()
    keyboard = gallery.page.keyboard
    gallery.picture("three").focus()
    keyboard.press("Enter")
    heading = gallery.viewer.get_by_role("heading")
    expect(heading).to_have_text("three")
    keyboard.press("ArrowRight")
    expect(heading).to_have_text("two")
    keyboard.press("ArrowLeft")
    keyboard.press("ArrowLeft")
    expect(heading).to_have_text("four")
    expect(gallery.viewer.get_by_role("button", name="Previous picture")).to_be_hidden()
    keyboard.press("ArrowLeft")
    for _ in range(12):
        keyboard.press("Tab")
        assert gallery.page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    keyboard.press("Escape")
    expect(gallery.viewer).to_be_hidden()
    expect(gallery.picture("four")).to_be_focused()


def test_back_closes_it_and_forward_opens_it(visit, images) -> None:
    gallery = visit()
    gallery.picture("two").click()
    expect(gallery.viewer).to_be_visible()
    gallery.page.go_back()
    expect(gallery.viewer).to_be_hidden()
    gallery.page.go_forward()
    expect(gallery.viewer.get_by_role("heading")).to_have_text("two")


def test_a_finger_swipes_to_the_neighbours(visit, images) -> None:
    gallery = visit(viewport=PHONE, has_touch=True, is_mobile=True)
    gallery.picture("three").tap()
    heading = gallery.viewer.get_by_role("heading")
    expect(heading).to_have_text("three")
    devtools = gallery.page.context.new_cdp_session(gallery.page)

    def swipe(start: int, end: int) -> None:
        for kind, points in (
            ("touchStart", [{"x": start, "y": 200}]),
            ("touchMove", [{"x": (start + end) / 2, "y": 204}]),
            ("touchMove", [{"x": end, "y": 206}]),
            ("touchEnd", []),
        ):
            devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    swipe(300, 60)
    expect(heading).to_have_text("two")
    swipe(60, 300)
    expect(heading).to_have_text("three")
    swipe(200, 180)
    expect(heading).to_have_text("three")


def test_on_a_phone_the_whole_picture_is_above_its_details(visit, images) -> None:
    gallery = visit(viewport=PHONE)
    gallery.picture("three").click()
    shown = gallery.viewer.locator("img.loaded").bounding_box()
    below = gallery.viewer.get_by_role("heading").bounding_box()
    assert shown["width"] == shown["height"] == PHONE["width"]
    assert below["y"] > shown["y"] + shown["height"]


def test_an_address_opens_a_public_picture_for_anonymous_visitors(visit, images) -> None:
    gallery = visit(f"/#/image/{images['one']}")
    expect(gallery.viewer.get_by_role("heading")).to_have_text("one")
    expect(gallery.viewer.locator("img.loaded")).to_be_visible()
    gallery.viewer.get_by_role("button", name="Close").click()
    expect(gallery.viewer).to_be_hidden()
    assert gallery.page.url == f"{gallery.url}/#/"


def test_an_address_of_a_private_picture_asks_to_sign_in(visit, images) -> None:
    address = f"/#/image/{images['mine']}"
    gallery = visit()
    gallery.refusals = {404}
    gallery.page.goto(gallery.url + address)
    expect(gallery.viewer.get_by_role("alert")).to_contain_text("sign in to see it")
    gallery.viewer.get_by_role("button", name="Sign in").click()
    gallery.fill_sign_in("ada")
    expect(gallery.viewer.get_by_role("heading")).to_have_text("mine")
    expect(gallery.viewer.locator("img.loaded")).to_be_visible()


def test_copying_the_link_tells_who_may_open_it(visit, images) -> None:
    gallery = visit(user="ada", permissions=["clipboard-read", "clipboard-write"])
    gallery.picture("mine").click()
    gallery.viewer.get_by_role("button", name="Copy link").click()
    expect(gallery.note).to_contain_text("Only you can see it")
    copied = gallery.page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{gallery.url}/#/image/{images['mine']}"


def test_the_original_file_is_downloaded(visit, images, pixy, tmp_path: Path) -> None:
    gallery = visit(user="ada")
    # the files of public pictures are requested without credentials
    for prompt in ("two", "mine"):
        gallery.picture(prompt).click()
        with gallery.page.expect_download() as expected:
            gallery.viewer.get_by_text("Download").click()
        download = expected.value
        assert download.suggested_filename == f"{prompt}.png"
        download.save_as(tmp_path / "picture.png")
        with pixy.client("ada") as ada:
            original = ada.get(f"/image/{images[prompt]}/content").content
        assert (tmp_path / "picture.png").read_bytes() == original
        gallery.page.keyboard.press("Escape")


@pytest.mark.slow
def test_a_long_prompt_is_folded_so_that_the_buttons_stay_near(visit, make_images) -> None:
    long = "a heron in the reeds at dawn, with mist over the water, " * 80
    make_images("the next picture, with a short prompt", long)
    gallery = visit(viewport=PHONE)
    gallery.picture("a heron in the reeds").click()
    heading = gallery.viewer.get_by_role("heading")
    download = gallery.viewer.get_by_text("Download")
    expect(download).to_be_visible()
    assert download.bounding_box()["y"] < 2 * PHONE["height"]
    gallery.viewer.get_by_role("button", name="Show the whole prompt").click()
    shown, whole = heading.evaluate("node => [node.clientHeight, node.scrollHeight]")
    assert shown == whole
    gallery.viewer.get_by_role("button", name="Show less").click()
    shown, whole = heading.evaluate("node => [node.clientHeight, node.scrollHeight]")
    assert shown < whole
    gallery.page.keyboard.press("ArrowRight")
    expect(gallery.viewer.get_by_role("button", name="Show the whole prompt")).to_be_hidden()


@pytest.mark.slow
def test_the_cross_covers_no_words_on_a_phone(visit, images) -> None:
    gallery = visit(viewport=PHONE)
    gallery.refusals = {404}
    gallery.page.goto(f"{gallery.url}/#/image/{images['mine']}")
    cross = gallery.viewer.get_by_role("button", name="Close").bounding_box()
    for words in (
        gallery.viewer.get_by_role("alert"),
        gallery.viewer.get_by_role("button", name="Sign in"),
    ):
        expect(words).to_be_in_viewport(ratio=1)
        assert words.bounding_box()["y"] >= cross["y"] + cross["height"]


@pytest.mark.slow
def test_the_prompt_has_its_own_text_direction(visit, make_images) -> None:
    prompt = "قارب صغير في البحر"
    make_images(prompt)
    gallery = visit(user="ada")
    gallery.picture(prompt).click()
    right_to_left = ("direction", "rtl")
    expect(gallery.viewer.get_by_role("heading")).to_have_css(*right_to_left)
    gallery.viewer.get_by_role("button", name="Use this prompt").click()
    field = gallery.page.get_by_label("What should the picture show?")
    expect(field).to_have_value(prompt)
    expect(field).to_have_css(*right_to_left)
    gallery.page.get_by_role("searchbox").fill(prompt)
    expect(gallery.page.get_by_role("searchbox")).to_have_css(*right_to_left)
    expect(gallery.picture(prompt).locator(".caption")).to_have_css(*right_to_left)
    gallery.page.get_by_role("button", name="Make it").click()
    expect(gallery.note.get_by_text(prompt)).to_have_css(*right_to_left)


def test_a_prompt_is_reused_with_its_size_and_without_its_visibility(visit, pixy) -> None:
    labels = {"3072x1024": "3072 × 1024", "1024x1536": "Tall", "1024x1024": "Square"}
    guids = {}
    with pixy.client("ada") as ada:
        for size in labels:
            wanted = {"prompt": f"shaped {size}", "visibility": "public", "size": size}
            guids[size] = ada.post("/image", json=wanted).raise_for_status().json()["guid"]
    gallery = visit(user="ada")
    shape = gallery.page.get_by_label("Shape", exact=True)
    for size, label in labels.items():
        shape.select_option("Wide")
        gallery.grid.locator(f"[data-guid='{guids[size]}'] a").click()
        gallery.viewer.get_by_role("button", name="Use this prompt").click()
        expect(gallery.page.get_by_label("What should the picture show?")).to_be_focused()
        assert shape.evaluate("select => select.selectedOptions[0].label") == label
        expect(gallery.page.get_by_label("Who may see it")).to_have_value("private")
        with gallery.page.expect_request("**/image") as posted:
            gallery.page.keyboard.press("Enter")
        assert posted.value.post_data_json == {
            "prompt": f"shaped {size}",
            "size": size,
            "visibility": "private",
        }


@pytest.mark.slow
def test_the_next_picture_is_shown_from_its_top_on_a_phone(visit, images) -> None:
    gallery = visit(viewport=PHONE)
    gallery.picture("three").click()
    heading = gallery.viewer.get_by_role("heading")
    expect(heading).to_have_text("three")
    gallery.viewer.evaluate("node => node.scrollTo(0, 300)")
    gallery.page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("two")
    assert gallery.viewer.evaluate("node => node.scrollTop") == 0


@pytest.mark.slow
def test_unfolding_a_prompt_keeps_the_scroll_position(visit, make_images) -> None:
    make_images("a field of tulips under a wide sky, row after row, " * 200)
    gallery = visit(user="ada", viewport=PHONE)
    gallery.picture("a field of tulips").click()
    heading = gallery.viewer.get_by_role("heading")
    expect(gallery.viewer.locator("img.loaded")).to_be_visible()
    # then the button is the first element in full view, which browsers keep in place
    heading.evaluate(
        "node => node.closest('dialog').scrollBy(0, node.getBoundingClientRect().top + 20)"
    )
    top = heading.bounding_box()["y"]
    gallery.viewer.get_by_role("button", name="Show the whole prompt").click()
    expect(gallery.viewer.get_by_role("button", name="Show less")).to_be_attached()
    assert heading.bounding_box()["y"] == top < 0
    gallery.viewer.get_by_role("button", name="Show less").click()
    expect(heading).to_be_in_viewport(ratio=1)


@pytest.mark.slow
def test_a_picture_that_can_not_be_loaded_is_requested_again(visit, images) -> None:
    gallery = visit(user="ada")
    gallery.breaks = {"ERR_FAILED", "ERR_INTERNET_DISCONNECTED"}
    file = f"**/{images['mine']}/content"
    gallery.page.route(file, lambda route: route.abort())
    gallery.picture("mine").click()
    alert = gallery.viewer.get_by_role("alert")
    shown = gallery.viewer.locator("img.loaded")
    expect(alert).to_have_text("The picture can’t be loaded.")
    gallery.page.unroute(file)
    gallery.viewer.get_by_role("button", name="Try again").click()
    expect(alert).to_be_hidden()
    expect(shown).to_have_js_property("naturalWidth", 1024)
    gallery.page.keyboard.press("Escape")
    gallery.page.route(file, lambda route: route.abort())
    gallery.picture("mine").click()
    expect(alert).to_be_visible()
    gallery.page.unroute(file)
    # no tap is needed once the connection is back
    gallery.page.context.set_offline(True)
    gallery.page.context.set_offline(False)
    expect(alert).to_be_hidden()
    expect(shown).to_have_js_property("naturalWidth", 1024)
