"""Fixtures of the tests of backups."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from backup_places import Places
from new_databases import create_tables
from pixy_service import ImageGenerator, Services, open_services


@pytest.fixture
def embedded_database(database_url: str) -> None:
    if not database_url.startswith("sqlite"):
        pytest.skip("the backup of a server's database is tried in tests/faults")


@pytest.fixture
def places(database_url: str, tmp_path: Path, generator: ImageGenerator) -> Places:
    return Places(
        url=database_url,
        data=tmp_path / "data",
        folder=tmp_path / "of another disk" / "backup",
        new=tmp_path / "new" / "data",
        generator=generator,
    )


@pytest.fixture
def services(places: Places) -> Iterator[Services]:
    """The services, with their data in a folder of its own."""
    create_tables(places.url)
    with open_services(
        database_url=places.url, data_dir=places.data, generator=places.generator
    ) as services:
        yield services
