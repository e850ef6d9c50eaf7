"""Make the table of failed sign-ins, and the secret that hides who they were.

Each step may have been done already, see 0001.
"""

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0002"

_CLIENT = sa.String(64).with_variant(
    mysql.CHAR(64, charset="ascii", collation="ascii_bin"), "mysql"
)
_TIME = sa.String(26).with_variant(mysql.DATETIME(fsp=6), "mysql")


def upgrade() -> None:
    """Make the table and the secret."""
    op.create_table(
        "sign_in_failures",
        sa.Column("client", _CLIENT, primary_key=True),
        # of two processes that count at once, the second finds its number taken
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("failed_at", _TIME, nullable=False),
        mysql_engine="InnoDB",
        if_not_exists=True,
    )
    connection = op.get_bind()
    indexes = {index["name"] for index in sa.inspect(connection).get_indexes("sign_in_failures")}
    if "ix_sign_in_failures_time" not in indexes:
        op.create_index("ix_sign_in_failures_time", "sign_in_failures", ["failed_at"])
    if connection.scalar(sa.text("SELECT COUNT(*) FROM secrets WHERE name = 'sign_in'")) == 0:
        connection.execute(
            sa.text("INSERT INTO secrets (name, value) VALUES ('sign_in', :value)"),
            {"value": secrets.token_hex(32)},
        )
