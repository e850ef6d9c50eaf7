"""Make the table that says which older versions may use the tables.

From here on each migration adds its row. Without it, older code refuses the tables.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"

_REVISION = sa.String(32).with_variant(
    mysql.VARCHAR(32, charset="ascii", collation="ascii_bin"), "mysql"
)


def upgrade() -> None:
    """Make the table, and the row of this revision."""
    op.create_table(
        "compatible_versions",
        sa.Column("revision", _REVISION, primary_key=True),
        # of the code that may use the tables of `revision`
        sa.Column("oldest_revision", _REVISION, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        if_not_exists=True,
    )
    op.execute("DELETE FROM compatible_versions WHERE revision = '0008'")
    op.execute("INSERT INTO compatible_versions VALUES ('0008', '0006')")
