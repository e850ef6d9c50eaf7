"""Fixtures: a browser, a running service, and visitors of the gallery."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from gallery_page import CHROMIUM_OPTIONS, GalleryPage, open_context
from installed_pixy import InstalledPixy

# generous, for busy machines; nothing waits longer than necessary
expect.set_options(timeout=20_000)

Visit = Callable[..., GalleryPage]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as Debian packages it."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pixy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledPixy]:
    """A running service with the users ada and ben of one class, and eve of another."""
    installed = InstalledPixy(tmp_path_factory.mktemp("pixy"), PIXY_GENERATOR="sketch")
    installed.add_users(ada="maths", ben="maths", eve="art")
    installed.start()
    yield installed
    installed.kill()


@pytest.fixture
def visit(browser: Browser, pixy: InstalledPixy) -> Iterator[Visit]:
    """Open the gallery in a new window at each call; a fault on any of them fails the test."""
    visited: list[GalleryPage] = []
    contexts: list[BrowserContext] = []

    def visit(address: str = "/", user: str | None = None, **options: object) -> GalleryPage:
        contexts.append(open_context(browser, **options))
        gallery = GalleryPage(contexts[-1].new_page(), pixy.url)
        visited.append(gallery)
        gallery.open(address)
        if user:
            gallery.sign_in(user)
        return gallery

    yield visit
    for context in contexts:
        context.close()
    for gallery in visited:
        gallery.check()


@pytest.fixture
def make_images(pixy: InstalledPixy) -> Callable[..., list[str]]:
    """Make images through the API, and return their guids."""

    def make_images(*prompts: str, visibility: str = "public", user: str = "ada") -> list[str]:
        guids = []
        with pixy.client(user) as client:
            for prompt in prompts:
                wanted = {"prompt": prompt, "visibility": visibility}
                answer = client.post("/image", json=wanted)
                assert answer.status_code == 201
                guids.append(answer.json()["guid"])
        return guids

    return make_images
