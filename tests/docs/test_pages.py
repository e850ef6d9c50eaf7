"""The samples of the documentation, run against a real service: what they print is what it says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from markdown_pages import PageRun

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[PageRun]:
    running = PageRun(tmp_path)
    yield running
    running.close()


@pytest.mark.parametrize(
    "page",
    ["README.md", "docs/tutorial.md", "docs/call-the-api.md", "docs/api.md", "docs/embed.md"]
)
def test_the_samples_of_a_page_print_what_it_says(page: str, run: PageRun) -> None:
    run.run(ROOT / page)
