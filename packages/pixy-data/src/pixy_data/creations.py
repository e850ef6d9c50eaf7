"""The rows of creations, as their owners ask for them.

How a pending one goes on stands in claims.py; what a status means is decided by a service.
"""

from typing import NamedTuple

from pixy_core import Creation, CreationStatus, ImageDetailCreate, User
from pixy_data import creation_statements as sql
from pixy_data.claims import LEASE, RETENTION, lasting
from pixy_data.conversions import creation_from_row, time_to_parameter
from pixy_data.database.database import Database
from pixy_data.keyset import NEWEST, Position


class KeyedCreation(NamedTuple):
    """What was asked for with an idempotency key: the creation, and the request's fingerprint."""

    creation: Creation
    fingerprint: str


class CreationRepository:
    """The creations of one database.

    Every method raises DBConnectionError, DatabaseBusyError or DatabaseError when the database
    fails.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert_creation(
        self,
        guid: str,
        request: ImageDetailCreate,
        owner: User,
        fingerprint: str,
        idempotency_key: str | None,
    ) -> Creation:
        """Claim a guid, and a key where there is one, for the length of a lease.

        Args:
            guid: A new one.
            request: What is asked for.
            owner: Who asks.
            fingerprint: Of the request, 64 hexadecimal digits.
            idempotency_key: The owner's own name for the request.

        Raises:
            ConstraintViolationError: Guid or key is taken, or the owner is gone.
            PixyProxyException: The database failed.
        """
        now = self._database.now()
        parameters = {
            **_describe(guid, request, owner, fingerprint, idempotency_key),
            "status": CreationStatus.PENDING.value,
            "asked": 0,
            **lasting(LEASE, now),
        }
        self._database.execute(sql.INSERT, parameters)
        return Creation(
            **request.model_dump(),
            guid=guid,
            status=CreationStatus.PENDING,
            owner=owner.username,
            created_at=now,
            updated_at=now,
        )

    def restore_creation(
        self,
        guid: str,
        request: ImageDetailCreate,
        owner: User,
        fingerprint: str,
        *,
        idempotency_key: str | None,
        status: CreationStatus,
    ) -> None:
        """Insert a creation again whose row is gone, though its provider was asked.

        A failover to a database that lagged behind loses the last rows.

        Args:
            guid: The creation's.
            request: What was asked for.
            owner: Who asked.
            fingerprint: As for `insert_creation`.
            idempotency_key: As for `insert_creation`.
            status: Pending, for the length of a lease, or ready.

        Raises:
            ConstraintViolationError: Guid or key is taken, or the owner is gone.
            PixyProxyException: The database failed.
        """
        duration = LEASE if status == CreationStatus.PENDING else RETENTION
        parameters = {
            **_describe(guid, request, owner, fingerprint, idempotency_key),
            "status": status.value,
            "asked": 1,
            **lasting(duration, self._database.now()),
        }
        self._database.execute(sql.INSERT, parameters)

    def find_creation(self, guid: str, owner: str) -> Creation | None:
        """Find a creation of one owner's.

        Args:
            guid: In canonical form.
            owner: The user name that it must belong to.

        Raises:
            PixyProxyException: The database failed.
        """
        row = self._database.fetch_one(
            sql.SELECT_OWN, {"guid": guid, "owner": owner}, lambda row: row[:2] == (guid, owner)
        )
        return None if row is None else creation_from_row(row)

    def find_keyed_creation(self, owner: str, idempotency_key: str) -> KeyedCreation | None:
        """Find what an owner asked for with a key.

        Args:
            owner: The user name.
            idempotency_key: The key.

        Raises:
            PixyProxyException: The database failed.
        """
        parameters = {"owner": owner, "idempotency_key": idempotency_key}
        row = self._database.fetch_one(sql.SELECT_KEYED, parameters)
        return None if row is None else KeyedCreation(creation_from_row(row[:-1]), row[-1])

    def list_creations(
        self, owner: str, status: CreationStatus, limit: int, after: Position | None = None
    ) -> list[Creation]:
        """Return a page of one owner's creations of one status, newest first.

        Args:
            owner: The user name.
            status: Which ones.
            limit: Creations at most.
            after: The last one of the page before.

        Raises:
            PixyProxyException: The database failed.
        """
        position = after or NEWEST
        parameters = {
            "owner": owner,
            "status": status.value,
            "created_at": time_to_parameter(position.created_at),
            "guid": position.guid,
            "limit": limit,
        }
        return [creation_from_row(row) for row in self._database.fetch_all(sql.LIST, parameters)]

    def delete_creation(self, guid: str) -> None:
        """Forget a creation, its key included.

        Args:
            guid: Of a creation, or of none.

        Raises:
            PixyProxyException: The database failed.
        """
        self._database.execute(sql.DELETE, {"guid": guid})


def _describe(
    guid: str,
    request: ImageDetailCreate,
    owner: User,
    fingerprint: str,
    idempotency_key: str | None,
) -> dict[str, object]:
    return {
        "guid": guid,
        "owner": owner.username,
        "class_key": owner.class_key,
        "request": request.model_dump_json(),
        "idempotency_key": idempotency_key,
        "fingerprint": fingerprint,
    }
