"""Many rows of images, and the cost of listing them: for measuring plans, not behaviour."""

import datetime
import importlib
import random
import uuid
from collections.abc import Callable, Iterator, Mapping

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, text

from pixy_core import Image, ImageFilter, User, Visibility
from pixy_data import Database, ImageRepository, Position, UserRepository
from pixy_data import images as image_rows
from pixy_data.conversions import time_to_parameter
from pixy_data.database.engine import build_engine
from pixy_data.keyset import NEWEST
from pixy_data.search.query import ImageSearch, build_list

USERS = 40
CLASSES = 8
VIEWER = User(username="user-0", password="-", class_key="class-0")
FILTERS = {
    "mine": ImageFilter(mine=True),
    "class": ImageFilter(visibility=Visibility.CLASS),
}
LISTS = ("public", *FILTERS, "visible")
"""What VIEWER may ask for a page of; FILTERS are the filtered ones among them."""

_BATCH = 5_000
_START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def open_connection(database: Database) -> Connection:
    """Open a connection to a database outside its pool."""
    engine = build_engine(database.url, connect_timeout=5, read_timeout=600, lock_timeout=60)
    return engine.connect()


def insert_many_images(
    database: Database, count: int, make_prompt: Callable[[random.Random], str] | None = None
) -> None:
    """Insert users and images a second apart; every tenth has the time of the one before.

    The words of the prompts are indexed only if a function that makes prompts is given.
    """
    users = UserRepository(database)
    for number in range(USERS):
        name, class_key = f"user-{number}", f"class-{number % CLASSES}"
        users.insert_user(User(username=name, password="-", class_key=class_key))
    rows = _make_rows(count, make_prompt)
    with open_connection(database) as connection:
        if database.sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        while batch := [row for row, _ in zip(rows, range(_BATCH), strict=False)]:
            connection.execute(text(image_rows.INSERT), batch)
        connection.commit()
    if make_prompt is not None:
        refill_words(database)
    with open_connection(database) as connection:
        tables = "images, image_words"
        connection.exec_driver_sql("ANALYZE" if database.sqlite else f"ANALYZE TABLE {tables}")
        connection.commit()


def refill_words(database: Database) -> None:
    """Run the migration that fills the index of words again."""
    with open_connection(database) as connection:
        if database.sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        migration = importlib.import_module("pixy_data.migrations.versions.0004_image_words")
        with Operations.context(MigrationContext.configure(connection)):
            migration.upgrade()
        connection.commit()


def _make_rows(
    count: int, make_prompt: Callable[[random.Random], str] | None
) -> Iterator[dict[str, object]]:
    chance, words = random.Random(7), random.Random(8)
    for number in range(count):
        user = chance.randrange(USERS)
        guid = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        seconds = number - 1 if number % 10 == 9 else number
        moment = time_to_parameter(_START + datetime.timedelta(seconds=seconds))
        yield {
            "guid": guid,
            "filename": f"{guid}.png",
            "prompt": make_prompt(words) if make_prompt else "a lighthouse at dusk",
            "created_at": moment,
            "updated_at": moment,
            "owner": f"user-{user}",
            "class_key": f"class-{user % CLASSES}",
            "visibility": chance.choice(["private", "class", "public"]),
            "media_type": "image/png",
            "width": 1024,
            "height": 1024,
            "size": 1_500_000,
            "sha256": "0" * 64,
            "generator": "sketch",
            "model": "sketch-1",
            "purchase": None,
            "source_count": 0,
        }


def read_page(
    images: ImageRepository, name: str, limit: int, after: Position | None = None
) -> list[Image]:
    """Read a page of one of LISTS through the repository."""
    if name in FILTERS:
        return images.search_images(FILTERS[name], VIEWER, limit, after)
    if name == "public":
        return images.list_public_images(limit, after)
    return images.list_visible_images(VIEWER, limit, after)


def _find_query(name: str, limit: int, after: Position | None) -> tuple[str, Mapping[str, object]]:
    """Return the statement and the parameters of a page of one of LISTS."""
    search = ImageSearch(FILTERS.get(name, ImageFilter()), VIEWER, limit, after or NEWEST)
    if name in FILTERS:
        return build_list(search.shape), search.parameters
    is_public = name == "public"
    statement = image_rows.LIST_PUBLIC if is_public else image_rows.LIST_VISIBLE
    return statement, search.parameters


def measure_page(
    connection: Connection, name: str, limit: int, after: Position | None = None
) -> int:
    """Count the work of the database for one page: rows that MySQL reads, or SQLite's steps."""
    return measure(connection, *_find_query(name, limit, after))


def measure(connection: Connection, statement: str, parameters: Mapping[str, object]) -> int:
    """Count the work of the database for a query: rows that MySQL reads, or SQLite's steps."""
    if connection.engine.dialect.name == "sqlite":
        return _count_steps(connection, statement, parameters)
    before = _count_rows(connection)
    connection.execute(text(statement), parameters).fetchall()
    return _count_rows(connection) - before


def _count_rows(connection: Connection) -> int:
    status = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(value) for _, value in status)


def _count_steps(connection: Connection, statement: str, parameters: Mapping[str, object]) -> int:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    driver = connection.connection.driver_connection
    assert driver is not None
    driver.set_progress_handler(count, 1)
    connection.execute(text(statement), parameters).fetchall()
    driver.set_progress_handler(None, 0)
    return steps


def explain_page(connection: Connection, name: str, limit: int, after: Position | None) -> str:
    """Return the database's plan of a page, one line for each step."""
    return explain(connection, *_find_query(name, limit, after))


def explain(connection: Connection, statement: str, parameters: Mapping[str, object]) -> str:
    """Return the database's plan of a query, one line for each step."""
    sqlite = connection.engine.dialect.name == "sqlite"
    prefix = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
    rows = connection.execute(text(prefix + statement), parameters)
    lines = rows.mappings().all()
    if sqlite:
        return "\n".join(str(line["detail"]) for line in lines)
    return "\n".join("  ".join(str(value) for value in line.values()) for line in lines)
