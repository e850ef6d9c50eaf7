"""Print what each list of images costs at its first page and deep down, with the plans.

    python tests/plans/print_plans.py sqlite:////tmp/plans.db [ROWS]

The URL names an empty database; tests/support must be on PYTHONPATH.
"""

import sys
import time

from many_images import (
    LISTS,
    VIEWER,
    explain_page,
    insert_many_images,
    measure_page,
    open_connection,
)
from pixy_data import ImageRepository, Position, open_database

LIMIT = 50
DEPTHS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


def main() -> None:
    url, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    database = open_database(url)
    if count:
        insert_many_images(database, count)
    images = ImageRepository(database)
    read = {
        "public": images.list_public_images,
        "owned": lambda limit, after: images.list_owned_images(VIEWER.username, limit, after),
        "class": lambda limit, after: images.list_class_images(VIEWER.class_key, limit, after),
        "visible": lambda limit, after: images.list_visible_images(VIEWER, limit, after),
    }
    with open_connection(database) as connection:
        for name in LISTS:
            whole = read[name](10_000_000, None)
            print(f"{name}: {len(whole):,} images")
            for depth in DEPTHS:
                index = int(len(whole) * depth)
                after = Position(whole[index].created_at, whole[index].guid) if index else None
                cost = measure_page(connection, name, LIMIT, after)
                started = time.perf_counter()
                read[name](LIMIT, after)
                elapsed = (time.perf_counter() - started) * 1000
                print(f"  after {index:>9,}: cost {cost:,}, {elapsed:.1f} ms")
            print(explain_page(connection, name, LIMIT, after))
    database.close()


main()
