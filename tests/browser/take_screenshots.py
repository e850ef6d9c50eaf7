"""Takes the screenshots of README.md and docs/gallery.md, in both sizes and themes.

`./dev nox -s screenshots` writes them to docs/images. They show the real page, with
images of the sketch generator.
"""

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image as Picture
from playwright.sync_api import Browser, expect, sync_playwright

from gallery_page import CHROMIUM_OPTIONS, DESK, PHONE, GalleryPage, open_context
from installed_pixy import InstalledPixy

FOLDER = Path(__file__).parents[2] / "docs" / "images"
PROMPTS = (
    "the first snow on the pass",
    "a field of lavender at noon",
    "fog lifting from a pine forest",
    "three paper boats on a mountain lake",
    "the old observatory under the Milky Way",
    "a terraced hillside in spring",
    "a comet over the fjord",
    "a heron in the reeds at first light",
    "a harbour at night, lamps on the water",
    "a sleeping volcano at sunrise",
    "a village on a cliff",
    "an orchard after the storm",
    "a balloon over salt flats",
    "two foxes at the edge of a wood",
    "a stone bridge in autumn",
    "reeds and a rowing boat",
    "a red kite over the sea",
    "a lighthouse at dusk, gulls around its lamp",
    "a tram in the snow, windows glowing",
    "a market square in the rain, seen from above",
)
SHOWN = "a heron in the reeds at first light"
SIZES_IN_TURN = (
    "1024x1024",
    "1536x1024",
    "1024x1024",
    "1024x1536",
    "1024x1024",
    "1536x1024",
    "1024x1024",
)
VISIBILITIES = ("public", "class", "public", "private")
# thumbnails are made when a page first requests them
expect.set_options(timeout=60_000)
SIZES = {
    "desk": {"viewport": DESK},
    "phone": {"viewport": PHONE, "device_scale_factor": 2, "is_mobile": True, "has_touch": True},
}


def make_images(pixy: InstalledPixy) -> None:
    """Make landscapes of the users of one class."""
    with pixy.client("ada") as ada:
        for number, prompt in enumerate(reversed(PROMPTS)):
            wanted = {
                "prompt": prompt,
                "visibility": VISIBILITIES[number % 4],
                "size": SIZES_IN_TURN[number % 7],
            }
            ada.post("/image", json=wanted).raise_for_status()


def shoot(gallery: GalleryPage, name: str) -> None:
    """Save a screenshot of the window, in WebP."""
    gallery.page.mouse.move(0, 0)
    expect(gallery.page.locator(".tile:not(.loaded)")).to_have_count(0)
    picture = Picture.open(io.BytesIO(gallery.page.screenshot(animations="disabled")))
    path = FOLDER / f"{name}.webp"
    picture.save(path, quality=82, method=6)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def look(browser: Browser, pixy: InstalledPixy, size: str, theme: str) -> None:
    """Take the grid and one picture in a size and a theme."""
    context = open_context(browser, **SIZES[size], color_scheme=theme)
    gallery = GalleryPage(context.new_page(), pixy.url).open()
    gallery.sign_in("ada")
    gallery.page.evaluate("document.activeElement.blur()")
    shoot(gallery, f"gallery-{size}-{theme}")
    gallery.picture(SHOWN).click()
    expect(gallery.viewer.locator("img.loaded")).to_have_js_property("naturalWidth", 1536)
    gallery.page.evaluate("document.activeElement.blur()")
    shoot(gallery, f"picture-{size}-{theme}")
    context.close()
    gallery.check()


def main() -> None:
    """Take all screenshots."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pixy = InstalledPixy(Path(folder), PIXY_GENERATOR="sketch")
        pixy.add_user("ada", "landscapes")
        pixy.start()
        make_images(pixy)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS
        )
        for size in SIZES:
            for theme in ("light", "dark"):
                look(browser, pixy, size, theme)
        browser.close()
        pixy.kill()


if __name__ == "__main__":
    main()
