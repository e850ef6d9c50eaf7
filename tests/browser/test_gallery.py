"""The page in a real browser: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from installed_pixy import InstalledPixy

# it runs as root in CI, and there is no network for what Chromium does in the background
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as Debian packages it."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=OPTIONS
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which any error of a script, and any blocked request, fails the test."""
    faults: list[str] = []
    opened = browser.new_page()
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    opened.on("requestfailed", lambda request: faults.append(request.url))
    yield opened
    opened.close()
    assert not faults


@pytest.fixture(scope="module")
def pixy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledPixy]:
    """A running service with a user, ada."""
    installed = InstalledPixy(tmp_path_factory.mktemp("pixy"), PIXY_GENERATOR="sketch")
    installed.add_user("ada")
    installed.start()
    yield installed
    installed.kill()


def make_images(pixy: InstalledPixy, *prompts: str, visibility: str = "public") -> None:
    with pixy.client("ada") as ada:
        for prompt in prompts:
            answer = ada.post("/image", json={"prompt": prompt, "visibility": visibility})
            assert answer.status_code == 201


def captions(page: Page) -> list[str]:
    return page.locator("figcaption").all_text_contents()


def test_without_images_it_says_so(pixy: InstalledPixy, page: Page) -> None:
    page.goto(pixy.url)
    page.get_by_text("No public images yet.").wait_for()


def test_it_shows_the_public_images_newest_first_and_each_opens(
    pixy: InstalledPixy, page: Page
) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    make_images(pixy, "a heron", hostile, "three boats")
    make_images(pixy, "a secret", visibility="private")
    page.goto(pixy.url)
    page.get_by_text("a heron").wait_for()
    assert captions(page) == ["three boats", hostile, "a heron"]
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth === 1024)")
    assert page.get_by_role("status").is_hidden()
    assert page.get_by_text("offline sketch").count() == 3
    link = page.get_by_role("link", name="three boats").get_attribute("href")
    assert link == page.get_by_alt_text("three boats").get_attribute("src")


def test_more_images_come_when_asked_for(pixy: InstalledPixy, page: Page, tmp_path: Path) -> None:
    make_images(pixy, *(f"picture {number}" for number in range(50)))
    page.goto(pixy.url)
    more = page.get_by_role("button", name="Show more")
    more.wait_for()
    assert len(captions(page)) == 48
    more.click()
    page.get_by_text("a heron").wait_for()
    assert len(captions(page)) == 53
    assert more.is_hidden()
    page.screenshot(path=tmp_path / "gallery.png")
    assert (tmp_path / "gallery.png").stat().st_size > 10_000
