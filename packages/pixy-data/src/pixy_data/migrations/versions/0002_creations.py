"""Make the table of creations: pending and failed requests, and idempotency keys for a day.

Each step can be repeated: MySQL commits each change of a table by itself.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"


def _ascii(kind: type[sa.types.TypeEngine[str]], length: int) -> Any:
    fitting = mysql.CHAR if kind is sa.CHAR else mysql.VARCHAR
    return sa.String(length).with_variant(
        fitting(length, charset="ascii", collation="ascii_bin"), "mysql"
    )


_NAME = sa.String(64).with_variant(
    mysql.VARCHAR(64, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
# a prompt in JSON, which escapes control characters as six bytes
_JSON = sa.Text().with_variant(
    mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_TIME = sa.String(26).with_variant(mysql.DATETIME(fsp=6), "mysql")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "if_not_exists": True,
}
_COLUMNS: dict[str, Any] = {
    "guid": _ascii(sa.CHAR, 36),
    "owner": _NAME,
    "class_key": _NAME,
    "request": _JSON,
    "status": _ascii(sa.VARCHAR, 7),
    "asked": sa.SmallInteger(),
    "problem": _JSON,
    "idempotency_key": _ascii(sa.VARCHAR, 255),
    "fingerprint": _ascii(sa.CHAR, 64),
    "expires_at": _TIME,
    "created_at": _TIME,
    "updated_at": _TIME,
}
_OPTIONAL = {"problem", "idempotency_key"}
_INDEXES = {
    "ix_creations_member": ["owner", "class_key"],
    "ix_creations_status": ["owner", "status", "created_at", "guid"],
    "ix_creations_expiry": ["expires_at"],
}


def upgrade() -> None:
    """Make the table and its indexes."""
    op.create_table(
        "creations",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        *(sa.Column(n, kind, nullable=n in _OPTIONAL) for n, kind in _COLUMNS.items()),
        sa.UniqueConstraint("guid", name="uq_creations_guid"),
        sa.UniqueConstraint("owner", "idempotency_key", name="uq_creations_key"),
        sa.CheckConstraint(
            "status IN ('pending', 'ready', 'failed', 'unknown')", name="ck_creations_status"
        ),
        sa.ForeignKeyConstraint(
            ["owner", "class_key"],
            ["users.username", "users.class_key"],
            name="fk_creations_owner",
            onupdate="CASCADE",
        ),
        sqlite_autoincrement=True,
        **_OPTIONS,
    )
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("creations")}
    for name, columns in _INDEXES.items():
        if name not in existing:
            op.create_index(name, "creations", columns)
