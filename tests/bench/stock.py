"""The initial content of the database: many rows, which the database server makes itself."""

import secrets

from sqlalchemy import make_url

from mysql_server import MySQLServer

# one row for each number; the guid is a hash of the number
FILL = """
    INSERT INTO {database}.images (
        guid, filename, prompt, created_at, updated_at, owner, class_key, visibility,
        media_type, width, height, size, sha256, generator, model
    )
    WITH RECURSIVE
        digits (d) AS (SELECT 0 UNION ALL SELECT d + 1 FROM digits WHERE d < 999),
        numbers (n) AS (SELECT high.d * 1000 + low.d FROM digits AS high JOIN digits AS low),
        names (n, name) AS (
            SELECT n, INSERT(INSERT(INSERT(INSERT(LEFT(SHA2(CONCAT('{salt}', n), 256), 32),
                21, 0, '-'), 17, 0, '-'), 13, 0, '-'), 9, 0, '-')
            FROM numbers WHERE n < {count}
        )
    SELECT name, CONCAT(name, '.png'),
        CONCAT('a lighthouse at dusk, in the style of a woodcut, number ', n),
        TIMESTAMP '2026-01-01 00:00:00' + INTERVAL n SECOND,
        TIMESTAMP '2026-01-01 00:00:00' + INTERVAL n SECOND,
        'reader', 'class', 'public', 'image/png', 1024, 1024, 1500000, REPEAT('0', 64),
        'openai', 'gpt-image-2'
    FROM names
"""


def fill(server: MySQLServer, database_url: str, count: int) -> None:
    """Add rows of public images, at most a million, that belong to the user `reader`."""
    database = make_url(database_url).database
    server.execute(
        f"USE {database}",  # MySQL resolves the recursive names in it
        FILL.format(database=database, salt=secrets.token_hex(4), count=count),
        f"ANALYZE TABLE {database}.images",
        # writes the table to disk; otherwise the server does that during the first measurements
        f"FLUSH TABLES {database}.images FOR EXPORT",
        "UNLOCK TABLES",
    )
