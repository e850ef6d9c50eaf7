"""Fixtures: the installed command with its metrics on, and two workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from provider import Provider
from scrape import MeasuredPixy, install_measured


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
    """The command for a test that starts it."""
    measured = install_measured(tmp_path, database_url, provider)
    yield measured
    measured.kill()
