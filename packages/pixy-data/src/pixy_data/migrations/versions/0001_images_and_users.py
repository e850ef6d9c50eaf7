"""Make the tables of users, images and secrets.

Each step can be repeated: MySQL commits each change of a table by itself, so a process that is
killed in the middle leaves the first tables behind.
"""

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

_NAME = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_WORD = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_GUID = sa.String(36).with_variant(mysql.CHAR(36, charset="ascii", collation="ascii_bin"), "mysql")
_HASH = sa.String(64).with_variant(mysql.CHAR(64, charset="ascii", collation="ascii_bin"), "mysql")
_VISIBILITY = sa.String(7).with_variant(
    mysql.VARCHAR(7, charset="ascii", collation="ascii_bin"), "mysql"
)
# TEXT holds 65,535 bytes in MySQL, and a prompt up to 128,000
_PROMPT = sa.Text().with_variant(
    mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
# "2026-01-31 12:00:00.000000" in SQLite, which sorts as the time does
_TIME = sa.String(26).with_variant(mysql.DATETIME(fsp=6), "mysql")
# only a column of type INTEGER can count by itself in SQLite
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "if_not_exists": True,
}
_IMAGE_COLUMNS: dict[str, Any] = {
    "guid": _GUID,
    "filename": _WORD,
    "prompt": _PROMPT,
    "created_at": _TIME,
    "updated_at": _TIME,
    "owner": _NAME,
    "class_key": _NAME,
    "visibility": _VISIBILITY,
    "media_type": _WORD,
    "width": sa.Integer(),
    "height": sa.Integer(),
    "size": sa.BigInteger(),
    "sha256": _HASH,
    "generator": _WORD,
    "model": _WORD,
}
_INDEXES = {
    # InnoDB makes one for the foreign key by itself; SQLite doesn't
    "ix_images_member": ["owner", "class_key"],
    "ix_images_visibility": ["visibility", "created_at", "guid"],
    "ix_images_owner": ["owner", "created_at", "guid"],
    "ix_images_class": ["class_key", "visibility", "created_at", "guid"],
}


def upgrade() -> None:
    """Make the tables, and the secret that signs cursors."""
    _create_users()
    _create_images()
    op.create_table(
        "secrets",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("value", _HASH, nullable=False),
        **_OPTIONS,
    )
    connection = op.get_bind()
    if connection.scalar(sa.text("SELECT COUNT(*) FROM secrets WHERE name = 'cursor'")) == 0:
        connection.execute(
            sa.text("INSERT INTO secrets (name, value) VALUES ('cursor', :value)"),
            {"value": secrets.token_hex(32)},
        )


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("username", _NAME, primary_key=True),
        sa.Column("password", _WORD, nullable=False),
        sa.Column("class_key", _NAME, nullable=False),
        sa.Column("disabled", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        # what images refer to, so that their copy of the class stays true
        sa.UniqueConstraint("username", "class_key", name="uq_users_class"),
        **_OPTIONS,
    )


def _create_images() -> None:
    op.create_table(
        "images",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        *(sa.Column(name, kind, nullable=False) for name, kind in _IMAGE_COLUMNS.items()),
        sa.UniqueConstraint("guid", name="uq_images_guid"),
        sa.CheckConstraint(
            "visibility IN ('private', 'class', 'public')", name="ck_images_visibility"
        ),
        sa.ForeignKeyConstraint(
            ["owner", "class_key"],
            ["users.username", "users.class_key"],
            name="fk_images_owner",
            onupdate="CASCADE",
        ),
        sqlite_autoincrement=True,
        **_OPTIONS,
    )
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("images")}
    for name, columns in _INDEXES.items():
        if name not in existing:
            op.create_index(name, "images", columns)
