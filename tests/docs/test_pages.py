"""The samples of the documentation, run against a real service, print the documented output."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from markdown_pages import PageRun
from new_users import add_users

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
        pytest.param("docs/call-the-api.md", marks=pytest.mark.long),
        "docs/embed.md",
        "docs/openai-clients.md",
    ],
)
def test_the_samples_of_a_page_print_the_documented_output(page: str, run: PageRun) -> None:
    run.run(ROOT / page)


def test_the_samples_of_the_reference_and_of_the_pages_for_operators_work(run: PageRun) -> None:
    database = f"sqlite:///{run.folder}/pixy-data/pixy.sqlite3"
    add_users(database, "long enough", {"ada": "x"})
    run.shell("export PIXY_GENERATOR=sketch; mkdir backup")
    run.shell("pixy serve >log 2>&1 & echo $! >pid")
    run.wait_until_ready(run.folder / "log")
    # makes images, which the other pages back up
    run.run(ROOT / "docs/api.md")
    run.shell("kill $(cat pid); wait $(cat pid) || true")
    run.run(ROOT / "docs/operations.md")
    # tests/fleet runs the other sections
    for section in ("SQLite and files", "Move to another installation"):
        run.run(ROOT / "docs/backup.md", section)
