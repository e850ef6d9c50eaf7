"""The API reference shows every operation and sends requests to this server, and to no other."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from browser_windows import Windows
from gallery_page import GalleryPage, watching_password_prompts
from installed_pixy import PASSWORD, InstalledPixy
from lasting_ports import find_lasting_port
from new_users import add_key, add_users

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
def show(windows: Windows) -> Iterator[Show]:
    """Open the reference of a server; a fault fails the test."""
    shown: list[GalleryPage] = []
    with ExitStack() as lent:

        def show(url: str, path: str) -> GalleryPage:
            reference = GalleryPage(lent.enter_context(windows.lend(url)), url)
            lent.callback(reference.leave)
            shown.append(reference)
            reference.page.goto(f"{url}{path}")
            expect(find_operation(reference.page, "GET", "/image")).to_be_visible()
            return reference

        yield show
    for reference in shown:
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
    remove = page.get_by_role("button", name="Remove authorization")
    if remove.is_visible():
        remove.click()
    for name, value in fields.items():
        page.locator(f"#auth-{name.replace('_', '-')}").fill(value)
    field = page.locator(f"#auth-{next(iter(fields)).replace('_', '-')}")
    form = page.locator(".auth-container form", has=field)
    form.get_by_role("button", name="Apply credentials").click()
    expect(remove).to_be_visible()
    page.locator(".close-modal").click()


def try_out(page: Page, method: str, path: str, **parameters: str) -> Locator:
    """Send the request of an operation, again if it was sent before, and return its response."""
    operation = find_operation(page, method, path)
    execute = operation.get_by_role("button", name="Execute")
    if execute.count():
        operation.get_by_role("button", name="Clear").click()
    else:
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Try it out").click()
    for name, value in parameters.items():
        operation.locator(f"tr[data-param-name='{name}'] input").fill(value)
    execute.click()
    return operation.locator(".live-responses-table")


def test_it_shows_every_operation_accessibly_and_the_gallery_leads_to_it(
    visit, pixy: InstalledPixy
) -> None:
    gallery = visit()
    page = gallery.page
    page.get_by_role("link", name="API reference").click()
    with pixy.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    operations = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert len(operations) > 20
    expect(page.locator(".opblock")).to_have_count(len(operations))
    for method, path in operations:
        assert find_operation(page, method, path).count() == 1
    kinds = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    excluded = {rule: {"enabled": False} for rule in VIEWER_BREAKS}
    options = {"runOnly": kinds, "rules": excluded, "resultTypes": ["violations"]}
    results = Axe().run(page, options=options)
    assert results.violations_count == 0, results.generate_report()


def test_requests_are_answered_with_a_password_in_utf_8_and_with_a_key(
    show: Show, pixy: InstalledPixy, make_images: Callable[..., list[str]]
) -> None:
    name, password = "Zoë 漢", "pässwörd 漢字"
    add_users(pixy.database_url, password, {name: "maths"})
    make_images("seen by the class", visibility="class")
    (guid,) = make_images("seen by ada", visibility="private")
    reference = show(pixy.url, "/docs")
    page = reference.page
    reference.refusals = {401}
    with watching_password_prompts(page) as asked:
        authorize(page, basic_username=name, basic_password="wrong password")
        expect(try_out(page, "GET", "/image")).to_contain_text("invalid_credentials")
    assert asked == []
    authorize(page, basic_username=name, basic_password=password)
    expect(try_out(page, "GET", "/image")).to_contain_text("seen by the class")
    assert reference.requests[-1] == "GET /image"
    authorize(page, bearer_value=add_key(pixy.database_url, "ada", "read"))
    expect(try_out(page, "GET", "/image")).to_contain_text("seen by ada")
    response = try_out(page, "GET", "/image/{guid}/content", guid=guid)
    picture = response.locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("async (img) => { await img.decode(); return img.naturalWidth }") > 0


def test_an_address_can_not_make_the_reference_show_another_document(
    show: Show, pixy: InstalledPixy
) -> None:
    reference = show(pixy.url, "/docs?url=/other.json&configUrl=/other.yaml")
    assert not [request for request in reference.requests if "GET /other" in request]


def test_it_works_below_a_prefix(show: Show, mounted: str) -> None:
    reference = show(mounted, "/pixy/docs")
    authorize(reference.page, basic_username="ada", basic_password=PASSWORD)
    response = try_out(reference.page, "GET", "/image")
    expect(response.locator(".response .response-col_status")).to_contain_text("200")
    assert reference.requests[-1] == "GET /pixy/image"
