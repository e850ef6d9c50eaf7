"""Browser windows that tests use one after the other: a new one costs more than most tests."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, Route

from gallery_page import open_context

_QUIET = "/quiet"
# without an icon, Chromium would ask the server for one
_MARKUP = '<!doctype html><link rel="icon" href="data:,">'
_HAS_CLOCK = "!/native code/.test(Date)"


class Windows:
    """Windows of one browser, by their options.

    Args:
        browser: The browser.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: dict[str, list[Page]] = {}

    @contextmanager
    def lend(self, url: str, *, alone: bool = False, **options: object) -> Iterator[Page]:
        """Lend a window whose storage is empty, at a quiet document of a server.

        Args:
            url: The address of the server.
            alone: Whether it is new and nobody borrows it later, with a clock or a script in it.
            options: As those of `open_context`.
        """
        idle = self._idle.setdefault(repr(sorted(options.items())), [])
        if idle and not alone:
            page = idle.pop()
        else:
            page = open_context(self._browser, **options).new_page()
        _open_quiet_document(page, url)
        yield page
        if alone or page.is_closed():
            page.context.close()
        else:
            _tidy(page)
            idle.append(page)


def _open_quiet_document(page: Page, url: str) -> None:
    """Show an empty document of the server's origin, which has no script, and empty the storage."""

    def answer(route: Route) -> None:
        route.fulfill(body=_MARKUP, content_type="text/html")

    page.route(url + _QUIET, answer)
    page.goto(url + _QUIET)
    page.unroute_all()
    page.evaluate("localStorage.clear(); sessionStorage.clear()")


def _tidy(page: Page) -> None:
    """End what a test may have done to a window."""
    assert not page.evaluate(_HAS_CLOCK), "only a window that is used alone may get a clock"
    page.unroute_all(behavior="ignoreErrors")
    page.context.set_offline(False)
    for other in page.context.pages:
        if other is not page:
            other.close()
    page.emulate_media(color_scheme="light")
    page.mouse.move(0, 0)
    page.goto("about:blank")
