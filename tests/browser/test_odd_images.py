"""Odd image files in a real browser: originals and thumbnails look as tests/support describes."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image as Picture
from playwright.sync_api import Browser, Page, Route, expect

from gallery_page import open_context
from installed_pixy import InstalledPixy
from odd_images import ODD_IMAGES
from provider import Provider

pytestmark = pytest.mark.slow

BACKGROUND = (90, 120, 150, 255)
CELL = (60, 40)
COLUMNS = 20


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def pixy(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[InstalledPixy]:
    """A running service whose images come from the stand-in provider."""
    installed = InstalledPixy(
        tmp_path_factory.mktemp("pixy"),
        PIXY_GENERATOR="openai",
        OPENAI_API_KEY="sk-of-the-test",
        OPENAI_BASE_URL=provider.base_url,
    )
    installed.add_users(ada="maths")
    installed.start()
    yield installed
    installed.kill()


@pytest.fixture(scope="module")
def details(pixy: InstalledPixy, provider: Provider) -> dict[str, dict[str, object]]:
    """The details of each odd image, made through the API, by name."""
    made = {}
    with pixy.client("ada") as client:
        for name, image in ODD_IMAGES.items():
            provider.answer_with(image.content)
            answer = client.post("/image", json={"prompt": name, "visibility": "public"})
            assert answer.status_code == 201, f"{name}: {answer.text}"
            made[name] = answer.json()
    return made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = open_context(browser)
    yield context.new_page()
    context.close()


def write_sheet(details: dict[str, dict[str, object]], query: str) -> str:
    """Return a page of all images, each in its cell."""
    cells = (
        f'<img src="/image/{each["guid"]}/content{query}" style="position:absolute;'
        f"left:{index % COLUMNS * CELL[0]}px;top:{index // COLUMNS * CELL[1]}px;"
        f'width:{CELL[0]}px;height:{CELL[1]}px">'
        for index, each in enumerate(details.values())
    )
    colour = ",".join(str(sample) for sample in BACKGROUND[:3])
    return f'<body style="background:rgb({colour})">{"".join(cells)}'


def check_sheet(page: Page, pixy: InstalledPixy, html: str) -> list[list[int]]:
    """Open a page of all images, fail if one looks wrong, and return their sizes."""
    page.route(
        f"{pixy.url}/sheet", lambda route: route.fulfill(body=html, content_type="text/html")
    )
    page.goto(f"{pixy.url}/sheet", timeout=120_000)
    sizes = page.evaluate("[...document.images].map(img => [img.naturalWidth, img.naturalHeight])")
    screenshot = Picture.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGBA")
    for index, image in enumerate(ODD_IMAGES.values()):
        left, top = index % COLUMNS * CELL[0], index // COLUMNS * CELL[1]
        cell = screenshot.crop((left, top, left + CELL[0], top + CELL[1]))
        image.check(cell, BACKGROUND)
    return sizes


def test_originals_look_as_described_and_have_the_sizes_that_are_stored(
    page: Page, pixy: InstalledPixy, details: dict[str, dict[str, object]]
) -> None:
    sizes = check_sheet(page, pixy, write_sheet(details, ""))
    stored = [[each["width"], each["height"]] for each in details.values()]
    assert sizes == stored == [list(image.size) for image in ODD_IMAGES.values()]


@pytest.mark.parametrize("accepted", ["image/avif", "image/webp"])
def test_thumbnails_look_like_their_originals(
    page: Page, pixy: InstalledPixy, details: dict[str, dict[str, object]], accepted: str
) -> None:
    types = []

    def ask(route: Route) -> None:
        answer = route.fetch(headers={**route.request.headers, "accept": accepted})
        types.append(answer.headers["content-type"])
        route.fulfill(response=answer)

    page.route("**/content?width=160", ask)
    sizes = check_sheet(page, pixy, write_sheet(details, "?width=160"))
    assert set(types) == {accepted}
    assert sizes == [list(image.size_at(160)) for image in ODD_IMAGES.values()]


def test_the_viewer_shows_a_picture_on_its_side_upright_and_unstretched(
    visit, details: dict[str, dict[str, object]]
) -> None:
    for name in ("JPEG: orientation 6", "PNG: orientation 8", "PNG: orientation 2"):
        image = ODD_IMAGES[name]
        gallery = visit(f"/#/image/{details[name]['guid']}")
        shown = gallery.viewer.locator("img.loaded")
        expect(shown).to_have_js_property("naturalWidth", image.size[0])
        # it fades in
        expect(shown).to_have_css("opacity", "1")
        box = shown.bounding_box()
        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(
            image.size[0] / image.size[1], rel=0.02
        )
        image.check(Picture.open(io.BytesIO(shown.screenshot())).convert("RGBA"))
