"""The API reference shows every operation and sends requests to this server, and to no other."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from gallery_page import GalleryPage, open_context, watch_password_prompts
from installed_pixy import PASSWORD, InstalledPixy
from lasting_ports import find_lasting_port

# rules that the markup and colours of Swagger UI break with any document
VIEWER_BREAKS = [
    "color-contrast",
    "heading-order",
    "nested-interactive",
    "region",
    "select-name",
    "target-size",
]
MOUNTING = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from pixy_web.app import create_app
from pixy_web.settings import Settings

pixy = create_app(Settings.load(generator="sketch"))
outer = Starlette(
    routes=[Mount("/pixy", pixy)], lifespan=lambda _: pixy.router.lifespan_context(pixy)
)
uvicorn.run(outer, port=int(sys.argv[1]), log_level="warning")
"""

Show = Callable[..., GalleryPage]


@pytest.fixture
def show(browser: Browser) -> Iterator[Show]:
    """Open the reference below an address; a fault fails the test."""
    shown: list[GalleryPage] = []

    def show(url: str, prefix: str = "") -> GalleryPage:
        reference = GalleryPage(open_context(browser).new_page(), url)
        shown.append(reference)
        reference.page.goto(f"{url}{prefix}/docs")
        expect(find_operation(reference.page, "GET", "/image")).to_be_visible()
        return reference

    yield show
    for reference in shown:
        reference.page.context.close()
        reference.check()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[str]:
    """The address of another application that mounts PixyProxy at /pixy."""
    InstalledPixy(tmp_path).add_users(ada="maths")
    port = find_lasting_port()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", MOUNTING, str(port)]
    outer = subprocess.Popen(command, cwd=tmp_path, env=environment)
    try:
        deadline = time.monotonic() + 30
        while not answers(port):
            assert outer.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        outer.kill()
        outer.wait()


def answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/pixy/health/live")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def find_operation(page: Page, method: str, path: str) -> Locator:
    """Return the part of the page about one operation."""
    title = page.locator(".opblock-summary", has=page.get_by_text(method, exact=True))
    return page.locator(".opblock", has=title.filter(has=page.locator(f"[data-path='{path}']")))


def authorize(page: Page, **fields: str) -> None:
    """Fill in a form of the dialog, whose fields are named after their ids, and close it."""
    page.get_by_role("button", name="Authorize", exact=True).first.click()
    for name, value in fields.items():
        page.locator(f"#auth-{name.replace('_', '-')}").fill(value)
    field = page.locator(f"#auth-{next(iter(fields)).replace('_', '-')}")
    form = page.locator(".auth-container form", has=field)
    form.get_by_role("button", name="Apply credentials").click()
    expect(page.get_by_role("button", name="Remove authorization")).to_be_visible()
    page.locator(".close-modal").click()


def try_out(page: Page, method: str, path: str, **parameters: str) -> Locator:
    """Send the request of an operation, and return its response."""
    operation = find_operation(page, method, path)
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    for name, value in parameters.items():
        operation.locator(f"tr[data-param-name='{name}'] input").fill(value)
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table")


def test_it_shows_every_operation_and_the_gallery_leads_to_it(visit, pixy: InstalledPixy) -> None:
    gallery = visit()
    gallery.page.get_by_role("link", name="API reference").click()
    with pixy.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    operations = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert len(operations) > 20
    expect(gallery.page.locator(".opblock")).to_have_count(len(operations))
    for method, path in operations:
        expect(find_operation(gallery.page, method, path)).to_have_count(1)


def test_a_request_with_a_password_is_answered(
    show: Show, pixy: InstalledPixy, make_images: Callable[..., list[str]]
) -> None:
    make_images("seen by ada", visibility="private")
    reference = show(pixy.url)
    authorize(reference.page, basic_username="ada", basic_password=PASSWORD)
    response = try_out(reference.page, "GET", "/image")
    expect(response).to_contain_text("seen by ada")
    assert reference.requests[-1] == "GET /image"


def test_names_and_passwords_are_sent_in_utf_8(show: Show, pixy: InstalledPixy) -> None:
    options = ("--class-key", "maths", "--password-stdin")
    pixy.run("user", "add", "Zoë 漢", *options, stdin="pässwörd 漢字")
    reference = show(pixy.url)
    authorize(reference.page, basic_username="Zoë 漢", basic_password="pässwörd 漢字")
    response = try_out(reference.page, "GET", "/key")
    expect(response.locator(".response .response-col_status")).to_contain_text("200")


def test_a_request_with_a_key_is_answered_and_its_picture_shown(
    show: Show, pixy: InstalledPixy, make_images: Callable[..., list[str]]
) -> None:
    (guid,) = make_images("seen with a key", visibility="private")
    key = pixy.run("key", "add", "reference", "--user", "ada", "--scope", "read").strip()
    reference = show(pixy.url)
    authorize(reference.page, bearer_value=key)
    expect(try_out(reference.page, "GET", "/image")).to_contain_text("seen with a key")
    response = try_out(reference.page, "GET", "/image/{guid}/content", guid=guid)
    picture = response.locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("async (img) => { await img.decode(); return img.naturalWidth }") > 0


def test_a_wrong_password_is_shown_by_the_page_and_not_asked_for_by_the_browser(
    show: Show, pixy: InstalledPixy
) -> None:
    reference = show(pixy.url)
    reference.refusals = {401}
    asked = watch_password_prompts(reference.page)
    authorize(reference.page, basic_username="ada", basic_password="wrong password")
    response = try_out(reference.page, "GET", "/image")
    expect(response).to_contain_text("invalid_credentials")
    assert asked == []


def test_an_address_can_not_make_the_reference_show_another_document(
    show: Show, pixy: InstalledPixy
) -> None:
    reference = show(pixy.url)
    reference.page.goto(f"{pixy.url}/docs?url=/other.json&configUrl=/other.yaml")
    expect(find_operation(reference.page, "GET", "/image")).to_be_visible()
    assert not [request for request in reference.requests if "GET /other" in request]


def test_it_works_below_a_prefix(show: Show, mounted: str) -> None:
    reference = show(mounted, "/pixy")
    authorize(reference.page, basic_username="ada", basic_password=PASSWORD)
    response = try_out(reference.page, "GET", "/image")
    expect(response.locator(".response .response-col_status")).to_contain_text("200")
    assert reference.requests[-1] == "GET /pixy/image"


def test_axe_finds_nothing_but_the_viewers_own_faults(show: Show, pixy: InstalledPixy) -> None:
    reference = show(pixy.url)
    kinds = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    excluded = {rule: {"enabled": False} for rule in VIEWER_BREAKS}
    results = Axe().run(reference.page, options={"runOnly": kinds, "rules": excluded})
    assert results.violations_count == 0, results.generate_report()
