"""Traces how long a visitor waits for the first of 5,000 pictures.

`./dev nox -s trace`. "Cold" is the first visitor, for whom the thumbnails are made. "Warm" is the
next one, with an empty browser cache. "Again" is a reload by that visitor.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from copied_images import copy_images
from gallery_page import CHROMIUM_OPTIONS, DESK, PHONE, open_context
from installed_pixy import InstalledPixy

COUNT = 5_000
PROMPTS = ("a boat", "a heron", "a kite", "a tram in the snow", "a harbour at night")

# milliseconds since the navigation began, and bytes
TRACE = """() => {
  const entries = performance.getEntriesByType("resource");
  const ends = (part) => entries.filter((e) => e.name.includes(part)).map((e) => e.responseEnd);
  const page = entries.filter((e) => e.name.includes("/static/"));
  const [{ transferSize }] = performance.getEntriesByType("navigation");
  return {
    page: Math.max(...ends("/static/")),
    list: Math.max(...ends("/image?")),
    first: Math.min(...ends("/content")),
    painted: window.paintedAt,
    pictures: window.pictures,
    bytes: page.reduce((sum, e) => sum + e.transferSize, transferSize),
  };
}"""
# records when every picture in the window is loaded and, two frames later, painted
WATCH = """
const watch = () => {
  const seen = [...document.querySelectorAll(".tile")].filter((tile) => {
    const { top, bottom } = tile.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
  window.pictures = seen.length;
  const isDone = seen.length && seen.every((tile) => tile.classList.contains("loaded"));
  requestAnimationFrame(isDone ? () => requestAnimationFrame(note) : watch);
};
const note = () => (window.paintedAt = performance.now());
requestAnimationFrame(watch);
"""


def trace(page: Page, load: str) -> None:
    """Wait for the pictures in the window, and print the times."""
    page.locator(".tile.loaded").first.wait_for()
    while not page.evaluate("window.paintedAt"):
        page.wait_for_timeout(20)
    times = page.evaluate(TRACE)
    columns = ("page", "list", "first", "painted")
    figures = "  ".join(f"{name} {times[name]:5.0f} ms" for name in columns)
    print(f"{load:<14} {figures}  {times['pictures']:3} pictures, page {times['bytes']:6} bytes")


def main() -> None:
    """Fill a service, and visit it as three visitors in two sizes."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pixy = InstalledPixy(Path(folder), PIXY_GENERATOR="sketch")
        pixy.add_user("ada")
        pixy.start()
        with pixy.client("ada") as ada:
            for prompt in PROMPTS:
                ada.post("/image", json={"prompt": prompt, "visibility": "public"})
        copy_images(Path(folder) / "pixy-data", COUNT - len(PROMPTS))
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS
        )
        for size, viewport in (("desk", DESK), ("phone", PHONE)):
            for load in ("cold", "warm"):
                page = open_context(chromium, viewport=viewport).new_page()
                page.add_init_script(WATCH)
                page.goto(pixy.url)
                trace(page, f"{size}, {load}")
            page.reload()
            trace(page, f"{size}, again")
        chromium.close()
        pixy.kill()


if __name__ == "__main__":
    main()
