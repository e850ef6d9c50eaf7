"""What a page of a list costs, counted by the database itself.

docs/decisions/0002-keyset-listing.md has the plans for 200,000 images.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from many_images import LISTS, VIEWER, insert_many_images, measure_page, open_connection
from pixy_core import Image
from pixy_data import Database, ImageRepository, Position

IMAGES = 6_000
LIMIT = 20
MOST_ROWS = LIMIT * 15
MOST_STEPS = LIMIT * 150


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    insert_many_images(database, IMAGES)
    with open_connection(database) as connection:
        yield connection


def list_all(images: ImageRepository, name: str) -> list[Image]:
    match name:
        case "public":
            return images.list_public_images(IMAGES)
        case "owned":
            return images.list_owned_images(VIEWER.username, IMAGES)
        case "class":
            return images.list_class_images(VIEWER.class_key, IMAGES)
        case _:
            return images.list_visible_images(VIEWER, IMAGES)


def test_a_page_anywhere_costs_what_the_first_costs(
    database: Database, connection: Connection
) -> None:
    most = MOST_STEPS if database.sqlite else MOST_ROWS
    for name in LISTS:
        whole = list_all(ImageRepository(database), name)
        for index in range(0, len(whole), len(whole) // 20):
            after = Position(whole[index].created_at, whole[index].guid) if index else None
            cost = measure_page(connection, name, LIMIT, after)
            assert 0 < cost < most, f"{name} after {index} of {len(whole)}"
