"""An installation to export, and one to import to."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from moving_house import House
from new_databases import create_tables
from pixy_core import Image, ImageRequest, Visibility
from pixy_service import PrivateImageService, Services
from stored_images import content_of


@pytest.fixture
def old(services: Services, database_url: str, tmp_path: Path) -> House:
    """The installation of `services`, which runs."""
    return House(database_url, tmp_path)


@pytest.fixture
def new(tmp_path: Path) -> House:
    """An empty installation."""
    house = House(f"sqlite:///{tmp_path}/new/pixy.sqlite3", tmp_path / "new")
    create_tables(house.url)
    return house


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A path where no archive is yet."""
    return tmp_path / "moving.tar.zst"


@pytest.fixture
def exported(
    old: House, archive: Path, anns: PrivateImageService, make_image: Callable[..., Image]
) -> dict[str, Image]:
    """An archive with images that use every column; returns them by their prompts."""
    first = make_image("class", "first 🦩\n\tline")
    second = anns.create_image(
        ImageRequest(prompt="second", sources=(first.guid,), visibility=Visibility.PUBLIC)
    )
    anns.change_visibility(first.guid, Visibility.PUBLIC)
    upload = anns.upload_image(io.BytesIO(content_of(first, old.data)), "third")
    old.change("UPDATE users SET disabled = 1 WHERE username = 'cleo'")
    old.export(archive)
    return {"first": first, "second": second, "third": upload}
