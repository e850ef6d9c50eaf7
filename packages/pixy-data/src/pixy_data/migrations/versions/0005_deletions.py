"""Make the table of deletions: files whose rows are gone, until they are removed as well.

The step may have been done already, see 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"

_GUID = sa.String(36).with_variant(mysql.CHAR(36, charset="ascii", collation="ascii_bin"), "mysql")
_FILENAME = sa.String(255).with_variant(
    mysql.VARCHAR(255, charset="utf8mb4", collation="utf8mb4_bin"), "mysql"
)
_TIME = sa.String(26).with_variant(mysql.DATETIME(fsp=6), "mysql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "deletions",
        sa.Column("guid", _GUID, primary_key=True),
        sa.Column("filename", _FILENAME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        if_not_exists=True,
    )
