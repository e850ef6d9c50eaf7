"""Runs the migrations, one process at a time.

Importing Alembic takes longer than a start on up-to-date tables, so this module is only imported
when there is something to migrate.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine

from pixy_core import PixyProxyException, SchemaError
from pixy_data.database.engine import build_engine, describe_url
from pixy_data.database.errors import translate_error
from pixy_data.database.migration_lock import PATIENCE, MigrationLock
from pixy_data.database.schema import NEWER_TABLES, SCHEMA_REVISION

_CONNECT_TIMEOUT = 10
# the server is silent while it builds an index on a large table
_READ_TIMEOUT = 3600


def migrate(url: URL) -> None:
    """Bring the tables up to date; other processes wait meanwhile.

    Tables that are newer by then, because another process of a newer version migrated them first,
    are left as they are.

    Raises:
        DBConnectionError: The connection broke, or the user may not change tables.
        DatabaseBusyError: Another process migrated for longer than a minute.
        SchemaError: The tables are of a revision that this code does not know.
    """
    engine = build_engine(
        url,
        connect_timeout=_CONNECT_TIMEOUT,
        read_timeout=_READ_TIMEOUT,
        lock_timeout=PATIENCE,
    )
    try:
        with engine.connect() as connection, _lock(engine, connection) as check:
            _upgrade(connection, check)
    except PixyProxyException:
        raise
    except Exception as error:
        raise translate_error(error, engine.dialect.loaded_dbapi, describe_url(url)) from error
    finally:
        engine.dispose()


@contextmanager
def _lock(engine: Engine, connection: Connection) -> Iterator[Callable[[], None]]:
    """Hold the lock; yield what raises if it was lost."""
    if engine.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield lambda: None
        connection.commit()
        return
    # MySQL commits DDL implicitly, so a transaction can't hold the lock
    with MigrationLock(engine) as lock:
        yield lock.check
        connection.commit()


def _upgrade(connection: Connection, check: Callable[[], None]) -> None:
    config = Config()
    config.set_main_option("script_location", "pixy_data:migrations")
    config.attributes["connection"] = connection
    config.attributes["check_lock"] = check
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        if current > SCHEMA_REVISION:
            return
        raise SchemaError(NEWER_TABLES)
    command.upgrade(config, "head")
