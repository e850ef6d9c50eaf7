"""Add the places of creations at the provider, and the table of its pause.

Each step may have been done already, see 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0007"
down_revision = "0006"

_NAME = sa.String(16).with_variant(
    mysql.VARCHAR(16, charset="ascii", collation="ascii_bin"), "mysql"
)
_TIME = sa.String(26).with_variant(mysql.DATETIME(fsp=6), "mysql")
_INDEX = "uq_creations_place"


def upgrade() -> None:
    """Add the column and its unique index; make the table and its only row."""
    connection = op.get_bind()
    columns = {column["name"] for column in sa.inspect(connection).get_columns("creations")}
    if "place" not in columns:
        op.add_column("creations", sa.Column("place", sa.SmallInteger(), nullable=True))
    indexes = {index["name"] for index in sa.inspect(connection).get_indexes("creations")}
    if _INDEX not in indexes:
        # any number of rows may have none; of two that take the same one, the second is refused
        op.create_index(_INDEX, "creations", ["place"], unique=True)
    op.create_table(
        "provider_pauses",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("ends_at", _TIME, nullable=False),
        mysql_engine="InnoDB",
        if_not_exists=True,
    )
    if connection.scalar(sa.text("SELECT COUNT(*) FROM provider_pauses")) == 0:
        connection.execute(
            sa.text(
                "INSERT INTO provider_pauses (name, ends_at) "
                "VALUES ('images', '2001-01-01 00:00:00.000000')"
            )
        )
