"""The front page of the docs links to every page of them."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_front_page_links_to_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+\.md)\)", (DOCS / "index.md").read_text()))
    # the page on decisions lists them itself
    assert linked == {*(page.name for page in DOCS.glob("*.md")), "decisions/README.md"} - {
        "index.md"
    }


def test_the_page_on_decisions_links_to_every_decision() -> None:
    folder = DOCS / "decisions"
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text()))
    assert linked == {page.name for page in folder.glob("0*.md")}
