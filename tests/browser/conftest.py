"""Fixtures: a browser, a running service, and visitors of the gallery."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from browser_windows import Windows
from gallery_page import CHROMIUM_OPTIONS, GalleryPage
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


@pytest.fixture(scope="session")
def windows(browser: Browser) -> Windows:
    """The windows of the browser."""
    return Windows(browser)


@pytest.fixture
def visit(windows: Windows, pixy: InstalledPixy) -> Iterator[Visit]:
    """Open the gallery in another window at each call; a fault on any of them fails the test.

    A user has signed in before and stays signed in, which is quicker than the form. A test that
    installs a clock or adds a script must have a window `alone`.
    """
    visited: list[GalleryPage] = []
    with ExitStack() as lent:

        def visit(
            address: str = "/", user: str | None = None, *, alone: bool = False, **options: object
        ) -> GalleryPage:
            page = lent.enter_context(windows.lend(pixy.url, alone=alone, **options))
            gallery = GalleryPage(page, pixy.url)
            lent.callback(gallery.leave)
            visited.append(gallery)
            if user:
                gallery.stay_signed_in(user)
            return gallery.open(address)

        yield visit
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
