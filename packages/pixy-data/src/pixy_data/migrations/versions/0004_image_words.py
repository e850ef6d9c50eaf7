"""Make the index of the words in prompts, and fill it with the images that are there.

MySQL commits DDL by itself, so a process that is killed in the middle leaves a part of the index
behind: it is made anew from the start.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from pixy_core import index_words
from pixy_data.conversions import time_from_value, time_to_moment
from pixy_data.search.index import IndexedImage, list_scopes, raw_guid

revision = "0004"
down_revision = "0003"

_SCOPE = sa.String(70).with_variant(
    mysql.VARCHAR(70, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_WORD = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
# half of the text's length, in the key of a table with many rows
_GUID = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql")
_SELECT = """
    SELECT id, guid, prompt, created_at, owner, class_key, visibility FROM images
    WHERE id > :id ORDER BY id LIMIT 500
"""
_INSERT = """
    INSERT INTO image_words (scope, word, moment, guid, image_id)
    VALUES (:scope, :word, :moment, :guid, :image_id)
"""


def upgrade() -> None:
    """Make the table and fill it."""
    op.drop_table("image_words", if_exists=True)
    op.create_table(
        "image_words",
        sa.Column("scope", _SCOPE, nullable=False),
        sa.Column("word", _WORD, nullable=False),
        sa.Column("moment", sa.BigInteger(), nullable=False),
        sa.Column("guid", _GUID, nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "word", "moment", "guid", name="pk_image_words"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        # the primary key is the table, as in InnoDB
        sqlite_with_rowid=False,
    )
    connection, last = op.get_bind(), 0
    while images := connection.execute(sa.text(_SELECT), {"id": last}).fetchall():
        rows = [row for image in images for row in _index(IndexedImage(*image))]
        # in the order of the key, so that neighbours are written together
        rows.sort(key=lambda row: (row["scope"], row["word"], row["moment"]))
        if rows:
            connection.execute(sa.text(_INSERT), rows)
        last = images[-1][0]


def _index(image: IndexedImage) -> Iterator[dict[str, Any]]:
    moment = time_to_moment(time_from_value(str(image.created_at)))
    for scope in list_scopes(image):
        for word in index_words(image.prompt):
            yield {
                "scope": scope,
                "word": word,
                "moment": moment,
                "guid": raw_guid(image.guid),
                "image_id": image.id,
            }
