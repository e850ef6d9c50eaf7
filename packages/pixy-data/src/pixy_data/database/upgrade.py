"""Runs the migrations, one process at a time.

Importing Alembic takes longer than a start on up-to-date tables, so this module is only imported
when there is something to migrate.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, NullPool, text

from pixy_core import DatabaseBusyError, PixyProxyException, SchemaError
from pixy_data.database.engine import build_engine, describe_url
from pixy_data.database.errors import translate_error

_CONNECT_TIMEOUT = 10
# the server is silent while it builds an index on a large table
_READ_TIMEOUT = 3600
_LOCK_TIMEOUT = 60


def migrate(url: URL) -> None:
    """Bring the tables up to date; other processes wait meanwhile.

    Args:
        url: From `engine.parse_url`.

    Raises:
        DBConnectionError: The connection broke, or the user may not change tables.
        DatabaseBusyError: Another process migrated for longer than a minute.
        SchemaError: The tables are newer than this code.
    """
    engine = build_engine(
        url,
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        lock_timeout=_LOCK_TIMEOUT,
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection, _lock(engine, connection):
            _upgrade(connection)
    except PixyProxyException:
        raise
    except Exception as error:
        raise translate_error(error, engine.dialect.loaded_dbapi, describe_url(url)) from error
    finally:
        engine.dispose()


@contextmanager
def _lock(engine: Engine, connection: Connection) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.commit()
        return
    # MySQL commits DDL implicitly, so a session lock is used in place of a transaction;
    # its name is valid for the whole server, and has at most 64 characters
    name = "pixy." + hashlib.sha256(str(engine.url.database).encode()).hexdigest()[:40]
    got = connection.execute(
        text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": _LOCK_TIMEOUT}
    )
    if got.scalar() != 1:
        raise DatabaseBusyError("Another process has been migrating the database for too long")
    yield
    connection.commit()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "pixy_data:migrations")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise SchemaError(
            "The database was migrated by a newer version of PixyProxy: install that version"
        )
    command.upgrade(config, "head")
