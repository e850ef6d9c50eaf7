"""The tables' version: reading it, and bringing them to this code's under a lock.

What the tables look like stands in `migrations`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from pixy_core import (
    ConfigurationError,
    DatabaseBusyError,
    PixyProxyException,
    SchemaError,
)
from sqlalchemy import URL, Connection, Engine, NullPool, text

from pixy_data.database import Row
from pixy_data.engine import build_engine
from pixy_data.errors import MYSQL_REFUSED, find_mysql_code, translate_error

SCHEMA_REVISION = "0001"
"""The newest migration that this code brings."""

_CONNECT_TIMEOUT = 10
# building an index on a large table takes the server long without a word
_READ_TIMEOUT = 3600
_LOCK_TIMEOUT = 60
_OLDEST_MYSQL = (8, 0)  # the first whose CREATE TABLE is atomic; MariaDB's since 10.6
_OLDEST_MARIADB = (10, 6)
_TOO_NEW = "The database was migrated by a newer version of PixyProxy: install that version"

SELECT_REVISION = "SELECT version_num FROM alembic_version"
SELECT_SERVER = "SELECT VERSION(), @@character_set_client, @@character_set_results"


def check_server(row: Row) -> None:
    """Refuse a server that could not keep what is stored in it.

    Args:
        row: The answer to SELECT_SERVER.

    Raises:
        ConfigurationError: It is too old, or overrides the character set of its clients.
    """
    version, client, results = str(row[0]), row[1], row[2]
    numbers = tuple(int(part) for part in version.split("-")[0].split(".")[:2])
    oldest = _OLDEST_MARIADB if "mariadb" in version.lower() else _OLDEST_MYSQL
    if numbers < oldest:
        raise ConfigurationError("The database server must be MySQL 8.0, MariaDB 10.6 or newer")
    if (client, results) != ("utf8mb4", "utf8mb4"):
        raise ConfigurationError(
            "The database server overrides the character set of its clients: "
            "remove skip-character-set-client-handshake from its configuration"
        )


def explain_refusal(error: PixyProxyException) -> ConfigurationError | None:
    """Tell a server that is down from one that will refuse these settings forever.

    Args:
        error: What connecting raised, its cause being the driver's error.

    Returns:
        What to set, or None when waiting may help.

    Raises:
        Nothing.
    """
    if find_mysql_code(error.__cause__) not in MYSQL_REFUSED:
        return None
    return ConfigurationError(
        "The database server refuses this user, password or database name: "
        "correct the database URL, or create them on the server"
    )


def migrate(url: URL) -> None:
    """Bring the tables to this code's version; one process at a time, the others wait.

    Args:
        url: From `engine.parse_url`.

    Raises:
        DBConnectionError: The connection broke.
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
        raise translate_error(error, engine.dialect.loaded_dbapi) from error
    finally:
        engine.dispose()


@contextmanager
def _lock(engine: Engine, connection: Connection) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
        connection.commit()
        return
    # DDL commits by itself on MySQL, so a lock of the session stands in for a transaction;
    # its name is the server's, not the database's, and at most 64 characters
    name = "pixy." + hashlib.sha256(str(engine.url.database).encode()).hexdigest()[:40]
    got = connection.execute(
        text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": _LOCK_TIMEOUT}
    )
    if got.scalar() != 1:
        raise DatabaseBusyError("Another process has been migrating the database for too long")
    yield
    connection.commit()


def _upgrade(connection: Connection) -> None:
    # importing Alembic takes longer than starting on tables that are up to date
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "pixy_data:migrations")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise SchemaError(_TOO_NEW)
    command.upgrade(config, "head")
