"""Print the cost of the first and the last page of each list of images, and their plans.

PYTHONPATH=tests/support python tests/plans/print_plans.py [ROWS] [--mysqld PATH]

Without `--mysqld` it is SQLite. It fills a new database first, and removes it at the end.
"""

import argparse
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from many_images import (
    LISTS,
    explain_page,
    insert_many_images,
    measure_page,
    open_connection,
    read_page,
)
from mysql_server import MySQLServer
from pixy_data import Database, ImageRepository, Position, open_database

LIMIT = 50
DEPTHS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


def main() -> None:
    """Start a database, fill it, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", type=int, nargs="?", default=200_000)
    parser.add_argument("--mysqld", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        if arguments.mysqld is None:
            print_lists(f"sqlite:///{folder}/pixy.db", arguments.rows)
            return
        server = MySQLServer(arguments.mysqld, Path(folder))
        try:
            server.start()
            print_lists(server.create_database(), arguments.rows)
        finally:
            server.stop()


def print_lists(url: str, rows: int) -> None:
    """Fill an empty database, and print each list's costs and plan."""
    with closing(open_database(url)) as database:
        insert_many_images(database, rows)
        for name in LISTS:
            print_list(database, name)


def print_list(database: Database, name: str) -> None:
    """Print one list's costs, and the plan of its last page."""
    images = ImageRepository(database)
    whole = read_page(images, name, 10_000_000)
    print(f"{name}: {len(whole):,} images")
    after = None
    with open_connection(database) as connection:
        for depth in DEPTHS:
            index = int(len(whole) * depth)
            after = Position(whole[index].created_at, whole[index].guid) if index else None
            cost = measure_page(connection, name, LIMIT, after)
            started = time.perf_counter()
            read_page(images, name, LIMIT, after)
            elapsed = (time.perf_counter() - started) * 1000
            print(f"  after {index:>9,}: cost {cost:,}, {elapsed:.1f} ms")
        print(explain_page(connection, name, LIMIT, after))


if __name__ == "__main__":
    main()
