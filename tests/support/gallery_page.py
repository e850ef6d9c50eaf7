"""The gallery as a visitor meets it: a browser's page, and what people do on it.

Whatever a script or the console complains of, and each request to another origin, is a fault.
"""

import re
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from installed_pixy import PASSWORD

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1600, "height": 1000}

# it runs as root in CI, and there is no network for what Chromium does in the background
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class GalleryPage:
    """One tab that shows the gallery.

    Attributes:
        page: The tab.
        url: Where the server is.
        refusals: Statuses of 400 and more that the test provokes; any other is a fault.
        breaks: Network errors of Chromium's that the test provokes, such as `ERR_FAILED`.
        faults: What went wrong so far.
        requests: Method and path of each request.
    """

    page: Page
    url: str
    refusals: set[int] = field(default_factory=set)
    breaks: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen to everything that may go wrong."""
        self.page.on("pageerror", lambda error: self.faults.append(f"{error}\n{error.stack}"))
        self.page.on("console", lambda line: self._hear(line.type, line.text))
        self.page.on("request", lambda request: self._see(request.method, request.url))

    def open(self, address: str = "/") -> "GalleryPage":
        """Go to an address of the gallery, and wait until it has asked for its images."""
        self.page.goto(self.url + address)
        expect(self.grid).to_have_attribute("aria-busy", "false")
        return self

    @property
    def grid(self) -> Locator:
        """The list of pictures."""
        return self.page.get_by_role("list", name="Pictures", exact=True)

    @property
    def works(self) -> Locator:
        """The pictures being made."""
        works = self.page.get_by_role("list", name="Pictures being made")
        return works.get_by_role("listitem")

    @property
    def viewer(self) -> Locator:
        """The dialog that shows one picture."""
        return self.page.locator("#viewer")

    @property
    def note(self) -> Locator:
        """The notes in the corner."""
        return self.page.get_by_role("list", name="Messages").get_by_role("listitem")

    def picture(self, prompt: str) -> Locator:
        """Return the link to a picture on the grid."""
        return self.grid.get_by_role("link", name=prompt)

    def prompts(self) -> list[str]:
        """Return the prompts on the grid, in its order."""
        prompts: list[str] = self.grid.locator("img").evaluate_all("all => all.map(i => i.alt)")
        return prompts

    def sign_in(self, name: str, password: str = PASSWORD, *, keep: bool = False) -> None:
        """Open the form, fill it in and send it."""
        self.page.get_by_role("button", name="Sign in").click()
        self.fill_sign_in(name, password, keep=keep)
        if password == PASSWORD:
            expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
            expect(self.grid).to_have_attribute("aria-busy", "false")

    def fill_sign_in(self, name: str, password: str = PASSWORD, *, keep: bool = False) -> None:
        """Fill in the form, which is open, and send it."""
        dialog = self.page.get_by_role("dialog", name="Sign in")
        dialog.get_by_label("User name").fill(name)
        dialog.get_by_label("Password", exact=True).fill(password)
        dialog.get_by_label("Stay signed in").set_checked(keep)
        dialog.get_by_role("button", name="Sign in").click()

    def sign_out(self) -> None:
        """Sign out."""
        self.page.get_by_role("button", name="Sign out").click()
        expect(self.page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(self.grid).to_have_attribute("aria-busy", "false")

    def make(self, prompt: str, **choices: str) -> None:
        """Fill in the form for a picture and send it.

        Args:
            prompt: What it shows.
            choices: Accessible name of a choice -> the value to choose.
        """
        form = self.page.get_by_role("form", name="Make a picture")
        form.get_by_label("What should the picture show?").fill(prompt)
        for label, value in choices.items():
            form.get_by_label(label).select_option(value)
        form.get_by_role("button", name="Make it").click()

    def check(self) -> None:
        """Fail if anything went wrong."""
        assert not self.faults, self.faults

    def _hear(self, kind: str, text: str) -> None:
        refusal = re.match(r"Failed to load resource: .* status of (\d+)", text)
        if refusal and int(refusal[1]) in self.refusals:
            return
        broken = re.match(r"Failed to load resource: net::(\w+)", text)
        if broken and broken[1] in self.breaks:
            return
        if kind in ("error", "warning"):
            self.faults.append(text)

    def _see(self, method: str, url: str) -> None:
        if url.startswith(f"blob:{self.url}/"):
            return
        if url != "about:blank" and not url.startswith(f"{self.url}/"):
            self.faults.append(f"a request left the origin: {url}")
        self.requests.append(f"{method} {url.removeprefix(self.url)}")


def open_context(browser: Browser, **options: object) -> BrowserContext:
    """Return a browser window with no memory, of a desk's size unless told otherwise."""
    context = browser.new_context(**{"viewport": DESK, **options})  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    return context
