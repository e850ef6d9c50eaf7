"""Requirements on a database before it is used: the server's version and the tables' revision.

The tables are defined in `migrations`; `upgrade` creates them.
"""

import re

from sqlalchemy import URL

from pixy_core import ConfigurationError, SchemaError
from pixy_data.database.database import Row
from pixy_data.database.errors import AccountRefusedError, PrivilegeMissingError, ServerRefusalError

SCHEMA_REVISION = "0008"
"""The newest migration."""

PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES"
"""What the MySQL user needs; once the tables are up to date, only the first four."""

_OLDEST_MYSQL = (8, 0)  # the first whose CREATE TABLE is atomic; MariaDB's since 10.6
_OLDEST_MARIADB = (10, 6)

SELECT_REVISION = "SELECT version_num FROM alembic_version"
SELECT_OLDEST = (
    "SELECT MAX(oldest_revision) FROM compatible_versions "
    "WHERE (SELECT version_num FROM alembic_version) IN (SELECT revision FROM compatible_versions)"
)
"""The oldest revision whose code may use the tables; NULL if the newest migration says none."""
SELECT_SERVER = "SELECT VERSION(), @@character_set_client, @@character_set_results"

NEWER_TABLES = "The database is of a newer version of PixyProxy: install that version"
OLDER_TABLES = (
    "The database has no tables of this version of PixyProxy, and may not be upgraded by this "
    "process. Run: pixy db upgrade"
)


def check_revision(revision: str | None, oldest: str | None = None) -> None:
    """Return if this code can read tables of a revision.

    Args:
        revision: The tables'; None if there are none.
        oldest: The oldest revision whose code can use them, by their own record; None: unknown.

    Raises:
        SchemaError: It can't.
    """
    if revision is None:
        raise SchemaError("The database has no tables of PixyProxy")
    # they are numbered, with leading zeros
    if revision > SCHEMA_REVISION and (oldest is None or oldest > SCHEMA_REVISION):
        raise SchemaError(NEWER_TABLES)


def check_server(row: Row) -> None:
    """Check the answer to SELECT_SERVER.

    Raises:
        ConfigurationError: The server is too old, or overrides its clients' character set.
    """
    version, client, results = str(row[0]), row[1], row[2]
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    oldest = _OLDEST_MARIADB if "mariadb" in version.lower() else _OLDEST_MYSQL
    if numbers < oldest:
        raise ConfigurationError("The database server must be MySQL 8.0, MariaDB 10.6 or newer")
    if (client, results) != ("utf8mb4", "utf8mb4"):
        raise ConfigurationError(
            "The database server overrides the character set of its clients: "
            "remove skip-character-set-client-handshake from its configuration"
        )


def explain_refusal(error: ServerRefusalError, url: URL) -> ConfigurationError:
    """Return an error that says what to change before this database can be used."""
    return ConfigurationError(f"{_describe_refusal(error)}: {error.reason}{_advise(error, url)}")


def _describe_refusal(error: ServerRefusalError) -> str:
    if isinstance(error, AccountRefusedError):
        # MariaDB answers a connection without TLS and a wrong password alike
        return (
            "The database server refuses this user, password or database name, or a connection "
            "without TLS"
        )
    if isinstance(error, PrivilegeMissingError):
        return "The database's user may not do what PixyProxy needs"
    return "The database can't be used"


def _advise(error: ServerRefusalError, url: URL) -> str:
    grant = f"GRANT {PRIVILEGES} ON `{url.database}`.* TO '{url.username}'@'%'"
    if isinstance(error, AccountRefusedError):
        return (
            ". Correct the database URL (?ssl_mode=REQUIRED asks for TLS), or create them on the "
            f"server; the user needs: {grant}"
        )
    return f". It needs: {grant}" if isinstance(error, PrivilegeMissingError) else ""
