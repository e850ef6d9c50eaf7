"""Print the cost of the first and the last page of searches by words, and their plans.

PYTHONPATH=tests/support python tests/plans/print_search_plans.py [ROWS] [--mysqld PATH]

Without `--mysqld` it is SQLite. It fills a new database first, and removes it at the end.
"""

import argparse
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from many_images import VIEWER, insert_many_images, open_connection, refill_words
from many_prompts import WORDS, make_prompt
from mysql_server import MySQLServer
from pixy_core import ImageFilter, User
from pixy_data import Database, ImageRepository, Position, open_database
from pixy_data.keyset import NEWEST
from pixy_data.search.query import ImageSearch, build_list

LIMIT = 50
QUERIES = {
    "in every prompt": "a",
    "common": WORDS[0],
    "rare": WORDS[2000],
    "two common": f"{WORDS[0]} {WORDS[1]}",
    "common and rare": f"{WORDS[0]} {WORDS[2000]}",
    "two rare": f"{WORDS[2000]} {WORDS[3000]}",
    "sixteen": " ".join(WORDS[:16]),
    "absent": "zzz",
    "beginning": f"{WORDS[0][:2]}*",
    "word and beginning": f"{WORDS[1]} {WORDS[2000][:3]}*",
    "two characters": "東京",
    "three characters": "東京都",
}


def main() -> None:
    """Start a database, fill it, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="?", default=100_000)
    parser.add_argument("--mysqld", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        if arguments.mysqld is None:
            print_searches(f"sqlite:///{folder}/pixy.db", arguments.rows)
            return
        server = MySQLServer(arguments.mysqld, Path(folder))
        try:
            server.start()
            print_searches(server.create_database(), arguments.rows)
        finally:
            server.stop()


def print_searches(url: str, rows: int) -> None:
    """Fill an empty database, and print each search's costs and plan."""
    with closing(open_database(url)) as database:
        insert_many_images(database, rows, make_prompt)
        print_size(database, rows)
        for name, query in QUERIES.items():
            for viewer in (None, VIEWER):
                print_search(database, name, ImageFilter(q=query), viewer)
        explain(database, ImageFilter(q=QUERIES["two common"]))


def print_size(database: Database, rows: int) -> None:
    """Print the number of rows of the index, and the time to build it again."""
    with open_connection(database) as connection:
        indexed = connection.execute(text("SELECT COUNT(*) FROM image_words")).scalar()
    started = time.perf_counter()
    refill_words(database)
    seconds = time.perf_counter() - started
    print(f"{rows:,} images, {indexed:,} rows in the index, made in {seconds:.0f} s")


def print_search(database: Database, name: str, match: ImageFilter, viewer: User | None) -> None:
    """Print the time of a search's first page and of its last."""
    images = ImageRepository(database)
    whole = images.search_images(match, viewer, 10_000_000)
    last = whole[-LIMIT - 1] if len(whole) > LIMIT else None
    places = (None, Position(last.created_at, last.guid) if last else None)
    times = [min(_time(images, match, viewer, place) for _ in range(3)) for place in places]
    who = "stranger" if viewer is None else "user"
    print(f"{name}, {who}: {len(whole):,} found, {times[0]:.1f} ms first, {times[1]:.1f} ms last")


def _time(
    images: ImageRepository, match: ImageFilter, viewer: User | None, after: Position | None
) -> float:
    started = time.perf_counter()
    images.search_images(match, viewer, LIMIT, after)
    return (time.perf_counter() - started) * 1000


def explain(database: Database, match: ImageFilter) -> None:
    """Print the database's plan of a search by an anonymous caller."""
    search = ImageSearch(match, None, LIMIT, NEWEST)
    prefix = "EXPLAIN QUERY PLAN " if database.sqlite else "EXPLAIN "
    with open_connection(database) as connection:
        rows = connection.execute(text(prefix + build_list(search.shape)), search.parameters)
        for row in rows.mappings():
            print("  ".join(str(value) for value in row.values()))


if __name__ == "__main__":
    main()
