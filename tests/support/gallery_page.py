"""The gallery in a browser: a page object with the actions of a visitor.

Each error of a script or on the console, and each request to another origin, is a fault.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Request,
    expect,
)

from installed_pixy import PASSWORD

_STILL = """() => new Promise((resolve) => {
  let last = -1;
  const look = () => {
    if (scrollY === last) return resolve();
    last = scrollY;
    setTimeout(look, 300);
  };
  look();
})"""

_STAY = """([username, both]) => {
  const authorization = `Basic ${btoa(both)}`;
  sessionStorage.setItem("pixy.session", JSON.stringify({ username, authorization }));
}"""

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1600, "height": 1000}

# CI runs as root, and Chromium's background services have no network
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
        url: The server's address.
        refusals: Statuses of 400 and more that the test provokes; any other is a fault.
        breaks: Network errors of Chromium that the test provokes, such as `ERR_FAILED`.
        faults: The faults so far.
        requests: Method and path of each request.
    """

    page: Page
    url: str
    refusals: set[int] = field(default_factory=set)
    breaks: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _running: set[Request] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Listen for errors and failed requests."""
        self.page.on("pageerror", self._fail)
        self.page.on("console", self._hear)
        self.page.on("request", self._see)
        self.page.on("requestfinished", self._end)
        self.page.on("requestfailed", self._end)

    def leave(self) -> None:
        """Stop listening."""
        self.page.remove_listener("pageerror", self._fail)
        self.page.remove_listener("console", self._hear)
        self.page.remove_listener("request", self._see)
        self.page.remove_listener("requestfinished", self._end)
        self.page.remove_listener("requestfailed", self._end)

    def open(self, address: str = "/") -> "GalleryPage":
        """Go to an address of the gallery, and wait until it has requested its images."""
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
        """Return the prompts on the grid, in order."""
        prompts: list[str] = self.grid.locator("img").evaluate_all("all => all.map(i => i.alt)")
        return prompts

    def stay_signed_in(self, name: str) -> None:
        """Sign in before the gallery is opened, as if the form had been sent in this tab before."""
        self.page.evaluate(_STAY, [name, f"{name}:{PASSWORD}"])

    def sign_in(self, name: str, password: str = PASSWORD, *, keep: bool = False) -> None:
        """Open the form, fill it in and send it."""
        self.page.get_by_role("button", name="Sign in").click()
        self.fill_sign_in(name, password, keep=keep)
        if password == PASSWORD:
            expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
            expect(self.grid).to_have_attribute("aria-busy", "false")

    def fill_sign_in(self, name: str, password: str = PASSWORD, *, keep: bool = False) -> None:
        """Fill in the open form and send it."""
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
        """Fill in the form for a new picture and send it.

        Args:
            prompt: The prompt.
            choices: Accessible name of a choice -> the value to choose.
        """
        form = self.page.get_by_role("form", name="Make a picture")
        form.get_by_label("What should the picture show?").fill(prompt)
        for label, value in choices.items():
            form.get_by_label(label).select_option(value)
        form.get_by_role("button", name="Make it").click()

    def wait_for_the_end_of_scrolling(self) -> None:
        """Wait until the page stands still: a mouse wheel scrolls it smoothly."""
        self.page.evaluate(_STILL)

    def wait_for_the_end_of_requests(self) -> None:
        """Wait until the page requests nothing any more."""
        seen = -1
        while self._running or seen != len(self.requests):
            seen = len(self.requests)
            self.page.wait_for_timeout(200)

    def check(self) -> None:
        """Fail if there were faults."""
        assert not self.faults, self.faults

    def _fail(self, error: Error) -> None:
        self.faults.append(f"{error}\n{error.stack}")

    def _hear(self, line: ConsoleMessage) -> None:
        text = line.text
        refusal = re.match(r"Failed to load resource: .* status of (\d+)", text)
        if refusal and int(refusal[1]) in self.refusals:
            return
        broken = re.match(r"Failed to load resource: net::(\w+)", text)
        if broken and broken[1] in self.breaks:
            return
        if line.type in ("error", "warning"):
            self.faults.append(text)

    def _end(self, request: Request) -> None:
        self._running.discard(request)

    def _see(self, request: Request) -> None:
        self._running.add(request)
        url = request.url
        if url.startswith(f"blob:{self.url}/"):
            return
        if url != "about:blank" and not url.startswith(f"{self.url}/"):
            self.faults.append(f"a request left the origin: {url}")
        self.requests.append(f"{request.method} {url.removeprefix(self.url)}")


def open_context(browser: Browser, **options: object) -> BrowserContext:
    """Return a browser window without stored data.

    By default it has a desktop's size and no animations, which cost much without a graphics card.
    """
    chosen = {"viewport": DESK, "reduced_motion": "reduce", **options}
    context = browser.new_context(**chosen)  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    return context


@contextmanager
def watching_password_prompts(page: Page) -> Iterator[list[object]]:
    """Cancel the browser's own requests for a password meanwhile, and list them."""
    asked: list[object] = []
    devtools = page.context.new_cdp_session(page)

    def go_on(event: dict[str, str]) -> None:
        devtools.send("Fetch.continueRequest", {"requestId": event["requestId"]})

    def refuse(event: dict[str, str]) -> None:
        asked.append(event)
        answer = {"response": "CancelAuth"}
        order = {"requestId": event["requestId"], "authChallengeResponse": answer}
        devtools.send("Fetch.continueWithAuth", order)

    devtools.on("Fetch.requestPaused", go_on)
    devtools.on("Fetch.authRequired", refuse)
    devtools.send("Fetch.enable", {"handleAuthRequests": True})
    yield asked
    devtools.detach()
