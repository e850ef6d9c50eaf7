"""A database that is ready for use, and people in it."""

from collections.abc import Iterator

import pytest

from new_databases import create_tables
from pixy_core import User
from pixy_data import Database, ImageRepository, UserRepository, open_database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    create_tables(database_url)
    database = open_database(database_url, pool_size=10)
    yield database
    database.close()


@pytest.fixture
def users(database: Database) -> UserRepository:
    return UserRepository(database)


@pytest.fixture
def images(database: Database) -> ImageRepository:
    return ImageRepository(database)


@pytest.fixture
def anna(users: UserRepository) -> User:
    return users.insert_user(User(username="anna", password="hash", class_key="red"))
