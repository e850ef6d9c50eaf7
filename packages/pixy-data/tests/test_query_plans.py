"""What a page of a list, and a sign-in, costs, counted by the database itself.

docs/performance.md has the plans for more images ("Lists", "Sign-in and image").
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from many_images import (
    LISTS,
    VIEWER,
    insert_many_images,
    measure,
    measure_page,
    open_connection,
    read_page,
)
from pixy_core import Scope
from pixy_data import ApiKeyRepository, Database, ImageRepository, Position
from pixy_data.api_keys import select_key_viewer
from pixy_data.conversions import time_to_parameter
from pixy_data.images import LIST_OWNED
from pixy_data.users import SELECT_VIEWER

IMAGES = 6_000
LIMIT = 20
MOST_ROWS = LIMIT * 15
MOST_STEPS = LIMIT * 150
MOST_STEPS_OF_TWO_ROWS = 100
MOST_STEPS_OF_THREE_ROWS = 150


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    insert_many_images(database, IMAGES)
    with open_connection(database) as connection:
        yield connection


def test_a_page_anywhere_costs_what_the_first_costs(
    database: Database, connection: Connection
) -> None:
    most = MOST_STEPS if database.sqlite else MOST_ROWS
    for name in LISTS:
        whole = read_page(ImageRepository(database), name, IMAGES)
        for index in range(0, len(whole), len(whole) // 20):
            after = Position(whole[index].created_at, whole[index].guid) if index else None
            cost = measure_page(connection, name, LIMIT, after)
            assert 0 < cost < most, f"{name} after {index} of {len(whole)}"


def test_a_user_and_an_image_are_found_by_their_keys(
    database: Database, connection: Connection
) -> None:
    most = MOST_STEPS_OF_TWO_ROWS if database.sqlite else 2
    for image in read_page(ImageRepository(database), "visible", IMAGES)[:: IMAGES // 10]:
        parameters = {"username": VIEWER.username, "guid": image.guid}
        assert 0 < measure(connection, SELECT_VIEWER, parameters) <= most


def test_a_key_its_owner_and_an_image_are_found_by_their_keys(
    database: Database, connection: Connection
) -> None:
    most = MOST_STEPS_OF_THREE_ROWS if database.sqlite else 3
    keys = ApiKeyRepository(database)
    for number in range(50):
        keys.insert_key(
            f"{number:010}", "a" * 64, owner="user-0", name="-", scopes=(Scope.READ,), days=None
        )
    for image in read_page(ImageRepository(database), "visible", IMAGES)[:: IMAGES // 10]:
        parameters = {"id": f"{7:010}", "guid": image.guid}
        assert 0 < measure(connection, select_key_viewer(database.now_sql), parameters) <= most


def test_a_page_of_an_owner_s_images_costs_the_same_anywhere(
    database: Database, connection: Connection
) -> None:
    owned = list(ImageRepository(database).list_owned("user-0"))
    most = 50 * 60 if database.sqlite else 50 * 2
    for image in owned[:: len(owned) // 5]:
        parameters = {
            "owner": "user-0",
            "created_at": time_to_parameter(image.created_at),
            "guid": image.guid,
        }
        assert 0 < measure(connection, LIST_OWNED, parameters) <= most
