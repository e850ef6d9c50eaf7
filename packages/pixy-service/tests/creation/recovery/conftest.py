"""Images that wait, and a database that nothing recovers by itself."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from new_databases import create_tables
from pixy_core import (
    Creation,
    Image,
    User,
)
from pixy_data import (
    Database,
    UserRepository,
    open_database,
)
from pixy_service.creation.creator import ImageCreator
from pixy_service.images.deletion import ImageRemover
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.stores import ImageStores
from recovery_pieces import ASKED, LosesDatabase


# without services, which recover by themselves
@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    create_tables(database_url)
    database = open_database(database_url)
    yield database
    database.close()


@pytest.fixture
def people(database: Database) -> tuple[User, ...]:
    users = UserRepository(database)
    return (users.insert_user(User(username="ann", password="-", class_key="red")),)


@pytest.fixture
def remover(stores: ImageStores, tmp_path: Path) -> ImageRemover:
    return ImageRemover(stores, Thumbnails(stores.content))


@pytest.fixture
def delete(remover: ImageRemover, people: tuple[User, ...]) -> Callable[[str], None]:
    """Return a function that deletes an image of Ann's."""
    return lambda guid: remover.delete(guid, people[0])


@pytest.fixture
def image(open_creator: Callable[..., ImageCreator], people: tuple[User, ...]) -> Image:
    image = open_creator().create(ASKED, people[0]).image
    assert isinstance(image, Image)
    return image


@pytest.fixture
def waiting(
    open_creator: Callable[..., ImageCreator], database: Database, people: tuple[User, ...]
) -> Creation:
    """Return the creation of an image that is safe and has no row, its database back again."""
    creation = open_creator(LosesDatabase(database)).create(ASKED, people[0], "key").image
    database.initialised = True
    assert isinstance(creation, Creation)
    return creation
