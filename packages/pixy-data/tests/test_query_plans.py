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
from pixy_data import Database, ImageRepository, Position
from pixy_data.users import SELECT_VIEWER

IMAGES = 6_000
LIMIT = 20
MOST_ROWS = LIMIT * 15
MOST_STEPS = LIMIT * 150
MOST_STEPS_OF_TWO_ROWS = 100


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
