"""Make the tables of API keys and of an image's sources; add what was bought and who gets it.

Each step may have been done already, see 0001.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"


def _ascii(kind: type[sa.types.TypeEngine[str]], length: int) -> Any:
    fitting = mysql.CHAR if kind is sa.CHAR else mysql.VARCHAR
    return sa.String(length).with_variant(
        fitting(length, charset="ascii", collation="ascii_bin"), "mysql"
    )


_GUID = _ascii(sa.CHAR, 36)
_HASH = _ascii(sa.CHAR, 64)
_KEY_ID = _ascii(sa.CHAR, 10)
_NAME = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_JSON = sa.Text().with_variant(
    mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_TIME = sa.String(26).with_variant(mysql.DATETIME(fsp=6), "mysql")
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "if_not_exists": True,
}
_NEW_COLUMNS: dict[str, dict[str, sa.Column[Any]]] = {
    "images": {
        "purchase": sa.Column("purchase", _JSON, nullable=True),
        "source_count": sa.Column(
            "source_count", sa.SmallInteger(), nullable=False, server_default="0"
        ),
    },
    "creations": {
        "key_id": sa.Column("key_id", _KEY_ID, nullable=True),
        "taker": sa.Column("taker", _GUID, nullable=True),
        "delivered_at": sa.Column("delivered_at", _TIME, nullable=True),
    },
}
_INDEXES = {
    "api_keys": {"ix_api_keys_owner": ["owner", "created_at", "id"]},
    # by which an upload finds the image that its owner has of the same bytes
    "images": {"ix_images_content": ["owner", "sha256"]},
    "image_sources": {"ix_image_sources_source": ["source", "image"]},
    "creations": {"ix_creations_retry": ["key_id", "fingerprint", "created_at", "guid"]},
}


def upgrade() -> None:
    """Make the tables, the columns and the indexes."""
    _create_api_keys()
    _create_image_sources()
    inspector = sa.inspect(op.get_bind())
    for table, columns in _NEW_COLUMNS.items():
        existing = {column["name"] for column in inspector.get_columns(table)}
        for name, column in columns.items():
            if name not in existing:
                op.add_column(table, column)
    inspector = sa.inspect(op.get_bind())
    for table, indexes in _INDEXES.items():
        present = {index["name"] for index in inspector.get_indexes(table)}
        for name, names in indexes.items():
            if name not in present:
                op.create_index(name, table, names)


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", _KEY_ID, primary_key=True),
        sa.Column("owner", _NAME, nullable=False),
        sa.Column("name", _NAME, nullable=False),
        sa.Column("hash", _HASH, nullable=False),
        sa.Column("scopes", _ascii(sa.VARCHAR, 64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=True),
        sa.Column("last_used_at", _TIME, nullable=True),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["owner"], ["users.username"], name="fk_api_keys_owner", onupdate="CASCADE"
        ),
        **_OPTIONS,
    )


def _create_image_sources() -> None:
    op.create_table(
        "image_sources",
        sa.Column("image", _GUID, primary_key=True),
        sa.Column("position", sa.SmallInteger(), primary_key=True, autoincrement=False),
        # stays when the source is deleted, as its hash does
        sa.Column("source", _GUID, nullable=False),
        sa.Column("source_sha256", _HASH, nullable=False),
        sa.Column("role", _ascii(sa.VARCHAR, 8), nullable=False),
        sa.ForeignKeyConstraint(
            ["image"], ["images.guid"], name="fk_image_sources_image", ondelete="CASCADE"
        ),
        **_OPTIONS,
    )
