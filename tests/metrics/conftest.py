"""Fixtures: the installed command with its metrics on, and two workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from provider import Provider
from scrape import CONCURRENCY, MeasuredPixy


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker for rows of docs/reliability.md."""
    config.addinivalue_line("markers", "fault(number): the row of docs/reliability.md")


@pytest.fixture
def provider() -> Iterator[Provider]:
    """The stand-in for the OpenAI API."""
    with Provider() as running:
        yield running


@pytest.fixture
def pixy(tmp_path: Path, database_url: str, provider: Provider) -> Iterator[MeasuredPixy]:
    """The command with two workers and images from the provider; it is not started."""
    measured = MeasuredPixy(
        tmp_path,
        PIXY_DATABASE_URL=database_url,
        PIXY_DATA_DIR=str(tmp_path / "data"),
        PIXY_WORKERS="2",
        PIXY_GENERATION_CONCURRENCY=str(CONCURRENCY),
        OPENAI_API_KEY="sk-of-the-test",
        OPENAI_BASE_URL=provider.base_url,
    )
    yield measured
    measured.kill()
