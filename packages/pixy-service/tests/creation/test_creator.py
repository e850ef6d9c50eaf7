import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import (
    DBConnectionError,
    Image,
    ImageDetailCreate,
    StorageUnavailableError,
    User,
)
from pixy_data import (
    Database,
    FileStore,
    open_database,
)
from pixy_service import GeneratedImage
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.generators.interface import ImageOrder, OnPartial, ignore_partial
from pixy_service.stores import ImageStores
from provider import Provider
from provider_answers import JPEG, PNG, WEBP

ASKED = ImageDetailCreate(prompt="a lighthouse")


def test_a_new_image_is_described_by_what_the_provider_made(
    make_image: Callable[..., Image],
) -> None:
    image = make_image("class", "a fox 🦊\r\nby night")
    assert image.prompt == "a fox 🦊\r\nby night"
    assert (image.media_type, image.width, image.height) == ("image/png", 64, 48)
    assert (image.size, image.sha256) == (len(PNG), hashlib.sha256(PNG).hexdigest())
    assert (image.generator, image.model) == ("openai", "gpt-image-2.6-flare")
    assert image.owner == "ann"


@pytest.mark.parametrize(("behaviour", "content"), [("jpeg", JPEG), ("webp", WEBP)])
def test_a_file_keeps_the_bytes_that_the_provider_sent(
    provider: Provider,
    make_image: Callable[..., Image],
    list_files: Callable[[], list[Path]],
    behaviour: str,
    content: bytes,
) -> None:
    provider.behave(behaviour)
    assert make_image().media_type == f"image/{behaviour}"
    assert [file.read_bytes() for file in list_files()] == [content]


def test_two_images_from_one_prompt_have_different_names(make_image: Callable[..., Image]) -> None:
    assert make_image().guid != make_image().guid


class LooksAround:
    """Draws, and asks the database something meanwhile."""

    name = "sketch"
    models = ("sketch-1",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        del order, on_partial
        self._database.ping()
        return GeneratedImage(PNG, "image/png", 64, 48, "sketch", "sketch-1")

    def close(self) -> None:
        """Do nothing."""


def test_no_connection_is_held_while_the_provider_works(
    database_url: str, stores: ImageStores, people: tuple[User, ...]
) -> None:
    database = open_database(database_url, pool_size=1, checkout_timeout=0.1)
    single = ImageStores.over(database, stores.content)
    creator = ImageCreator(single, Claims(single), ImageAdopter(single), LooksAround(database))
    try:
        assert creator.create(ASKED, people[0]).image.owner == "ann"
    finally:
        database.close()


def test_the_provider_is_not_asked_while_the_database_is_down(
    open_creator: Callable[..., ImageCreator],
    database: Database,
    people: tuple[User, ...],
    provider: Provider,
) -> None:
    database.close()
    with pytest.raises(DBConnectionError):
        open_creator().create(ASKED, people[0])
    assert provider.paid_requests == 0


def test_the_provider_is_not_asked_while_the_disk_is_below_its_reserve(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    provider: Provider,
    tmp_path: Path,
) -> None:
    full = FileStore(tmp_path / "images", reserve=shutil.disk_usage(tmp_path).total)
    with pytest.raises(StorageUnavailableError):
        open_creator(content=full).create(ASKED, people[0])
    assert provider.paid_requests == 0
