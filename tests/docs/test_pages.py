"""The samples of the documentation, run against a real service: what they print is what it says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from markdown_pages import PageRun

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[PageRun]:
    running = PageRun(tmp_path, {"/backup": str(tmp_path / "backup")})
    yield running
    running.close()


@pytest.mark.parametrize(
    "page",
    ["README.md", "docs/tutorial.md", "docs/call-the-api.md", "docs/embed.md"],
)
def test_the_samples_of_a_page_print_what_it_says(page: str, run: PageRun) -> None:
    run.run(ROOT / page)


def test_the_samples_of_the_api_page_print_what_it_says(run: PageRun) -> None:
    serve(run)
    run.run(ROOT / "docs/api.md")


def test_the_samples_of_the_page_for_operators_work(run: PageRun) -> None:
    serve(run)
    run.shell(
        "curl -fsS -u 'ada:long enough' -H 'Content-Type: application/json'"
        f""" -d '{{"prompt": "a heron"}}' http://127.0.0.1:{run.port}/image"""
    )
    run.shell("kill $(cat pid); wait $(cat pid) || true")
    run.run(ROOT / "docs/operations.md")


def serve(run: PageRun) -> None:
    """Start a server that draws offline, and has a user."""
    run.shell("export PIXY_GENERATOR=sketch; mkdir backup")
    run.shell("echo long enough | pixy user add ada --class-key x --create --password-stdin")
    run.shell("pixy serve >log 2>&1 & echo $! >pid")
    run.wait_until_ready(run.folder / "log")
