"""The lock of migrations on a server: one row with a lease, which works on clusters, too.

GET_LOCK is not replicated: two nodes of Galera grant it at once, and Percona XtraDB Cluster refuses
it.
"""

import secrets
import threading
from time import monotonic
from types import TracebackType
from typing import Self

import sqlalchemy.exc
from sqlalchemy import Engine, text

from pixy_core import DatabaseBusyError
from pixy_data.database.errors import TransactionConflictError, translate_error

LEASE = 20
"""Seconds after which the lock of a dead process is free."""

PATIENCE = 60
"""Seconds to wait for the lock."""

_POLL = 0.5
_CREATE = (
    "CREATE TABLE IF NOT EXISTS migration_lock ("
    "id TINYINT NOT NULL PRIMARY KEY, "
    "holder CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL, "
    "expires_at DATETIME(6) NOT NULL"
    ") ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
)
_FILL = "INSERT IGNORE INTO migration_lock (id, expires_at) VALUES (1, UTC_TIMESTAMP(6))"
_TAKE = (
    "UPDATE migration_lock "
    "SET holder = :holder, expires_at = UTC_TIMESTAMP(6) + INTERVAL :lease SECOND "
    "WHERE id = 1 AND (holder IS NULL OR expires_at < UTC_TIMESTAMP(6))"
)
# also after its end: it is this process's own until another one has taken it
_EXTEND = (
    "UPDATE migration_lock SET expires_at = UTC_TIMESTAMP(6) + INTERVAL :lease SECOND "
    "WHERE id = 1 AND holder = :holder"
)
_RELEASE = "UPDATE migration_lock SET holder = NULL WHERE id = 1 AND holder = :holder"


class MigrationLock:
    """A lock that one process at a time has, in a `with` statement; a thread extends its lease.

    Args:
        engine: Opens the connections for the lock, which no migration uses.
        lease: Seconds after which the lock of a dead process is free.
        patience: Seconds to wait for it.
    """

    def __init__(self, engine: Engine, *, lease: float = LEASE, patience: float = PATIENCE) -> None:
        self._engine = engine
        self._lease = lease
        self._patience = patience
        self._holder = secrets.token_hex(16)
        self._released = threading.Event()
        self._thread = threading.Thread(
            target=self._extend_repeatedly, name="pixy-migration-lock", daemon=True
        )

    def __enter__(self) -> Self:
        """Wait for the lock.

        Raises:
            DatabaseBusyError: Another process had it for too long.
            Exception: What the driver raises.
        """
        deadline = monotonic() + self._patience
        while not self._attempt(_CREATE, _FILL, _TAKE):
            if monotonic() > deadline:
                raise DatabaseBusyError(
                    "Another process has been migrating the database for too long"
                )
            self._released.wait(_POLL)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the lock; where that fails, its lease ends it."""
        self._released.set()
        try:
            self._attempt(_RELEASE)
        except sqlalchemy.exc.SQLAlchemyError:
            # the migration is done, or its own error says more
            return

    def check(self) -> None:
        """Return if this process still has the lock, and extend it.

        Raises:
            DatabaseBusyError: The lease had ended, and another process has the lock.
        """
        if not self._attempt(_EXTEND):
            raise DatabaseBusyError("Another process took over the migration of the database")

    def _extend_repeatedly(self) -> None:
        while not self._released.wait(self._lease / 4):
            try:
                self._attempt(_EXTEND)
            except sqlalchemy.exc.SQLAlchemyError:
                # tried again: a server that is away comes back, or the migration fails as well
                continue

    def _attempt(self, *statements: str) -> bool:
        """Run statements and return whether the last one changed the row.

        False also after a conflict with another process: on a cluster each node may have run them.
        """
        values = {"holder": self._holder, "lease": self._lease}
        try:
            with self._engine.connect() as connection:
                counts = [connection.execute(text(each), values).rowcount for each in statements]
                connection.commit()
                return counts[-1] == 1
        except sqlalchemy.exc.DBAPIError as error:
            translated = translate_error(error, self._engine.dialect.loaded_dbapi)
            if isinstance(translated, TransactionConflictError):
                return False
            raise
