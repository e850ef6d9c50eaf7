"""The samples of the documentation, run against a real service, print the documented output."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from markdown_pages import PageRun

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[PageRun]:
    replacements = {"/backup": str(tmp_path / "backup"), "/var/lib": str(tmp_path / "lib")}
    running = PageRun(tmp_path, replacements)
    yield running
    running.close()


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/tutorial.md",
        "docs/call-the-api.md",
        "docs/embed.md",
        "docs/openai-clients.md",
    ],
)
def test_the_samples_of_a_page_print_the_documented_output(page: str, run: PageRun) -> None:
    run.run(ROOT / page)


def test_the_samples_of_the_api_page_print_the_documented_output(run: PageRun) -> None:
    serve(run)
    run.run(ROOT / "docs/api.md")


def test_the_samples_of_the_page_for_operators_work(run: PageRun) -> None:
    make_one_image(run)
    run.run(ROOT / "docs/operations.md")


def test_the_samples_of_the_page_on_backups_work_on_sqlite(run: PageRun) -> None:
    make_one_image(run)
    # tests/fleet runs the other sections
    for section in ("SQLite and files", "Move to another installation"):
        run.run(ROOT / "docs/backup.md", section)


def make_one_image(run: PageRun) -> None:
    """Start a server, make an image, and stop the server."""
    serve(run)
    run.shell(
        "curl -fsS -u 'ada:long enough' -H 'Content-Type: application/json'"
        f""" -d '{{"prompt": "a heron"}}' http://127.0.0.1:{run.port}/image"""
    )
    run.shell("kill $(cat pid); wait $(cat pid) || true")


def serve(run: PageRun) -> None:
    """Start a server that draws offline, and has a user."""
    run.shell("export PIXY_GENERATOR=sketch; mkdir backup")
    run.shell("echo long enough | pixy user add ada --class-key x --create --password-stdin")
    run.shell("pixy serve >log 2>&1 & echo $! >pid")
    run.wait_until_ready(run.folder / "log")
