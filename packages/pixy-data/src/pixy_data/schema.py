"""What a database must be before it is used: a fit server, and tables at this code's version.

What the tables look like stands in `migrations`, how they get there in `upgrade`.
"""

import re

from pixy_core import ConfigurationError, PixyProxyException
from pixy_data.database import Row
from pixy_data.errors import MYSQL_REFUSED, find_mysql_code

SCHEMA_REVISION = "0004"
"""The newest migration that this code brings."""

_OLDEST_MYSQL = (8, 0)  # the first whose CREATE TABLE is atomic; MariaDB's since 10.6
_OLDEST_MARIADB = (10, 6)

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
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
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
    # MariaDB's answer to a connection without TLS is the same as to a wrong password
    return ConfigurationError(
        "The database server refuses this user, password or database name, or a connection "
        "without TLS: correct the database URL (?ssl_mode=REQUIRED asks for TLS), or create "
        "them on the server"
    )
