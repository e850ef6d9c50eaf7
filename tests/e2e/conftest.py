"""Fixtures: the installed command, run as users run it; nothing here imports PixyProxy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from installed_pixy import InstalledPixy
from provider import Provider


@pytest.fixture
def pixy(tmp_path: Path, database_url: str) -> Iterator[InstalledPixy]:
    """The command with an empty data folder and database, and the sketch generator."""
    installed = InstalledPixy(
        tmp_path,
        PIXY_DATABASE_URL=database_url,
        PIXY_DATA_DIR=str(tmp_path / "data"),
        PIXY_GENERATOR="sketch",
    )
    yield installed
    installed.kill()


@pytest.fixture
def provider() -> Iterator[Provider]:
    """The stand-in for the OpenAI API."""
    with Provider() as running:
        yield running


@pytest.fixture
def paid(pixy: InstalledPixy, provider: Provider) -> InstalledPixy:
    """The command with images from the provider."""
    pixy.environment |= {
        "PIXY_GENERATOR": "openai",
        "OPENAI_API_KEY": "sk-of-the-test",
        "OPENAI_BASE_URL": provider.base_url,
    }
    return pixy
