"""The rows of creations: their SQL, and the repository that runs it.

A pending creation belongs to the process that claimed it for a lease, which that process extends.
All times are by the database's clock, since those of machines differ. That clock may jump in a
failover, so an expired lease alone does not prove that its process is gone.
"""

# ruff: noqa: S608 - only constants are formatted in

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pixy_core import Creation, CreationProblem, CreationStatus, ImageDetailCreate, User
from pixy_data.conversions import creation_from_row, time_from_value, time_to_parameter
from pixy_data.database.database import Database
from pixy_data.keyset import AFTER, IS_AMONG, NEWEST, PAGE, PART_SIZE, Position, name_guids

LEASE = timedelta(seconds=30)
"""How long a pending creation belongs to its process, if the lease is not extended."""

RETENTION = timedelta(hours=24)
"""How long any other creation is kept, and with it its idempotency key."""

_MAX_LEASES = 10_000
"""Maximum length of a list of leases, which bounds its memory. A lease is judged by comparing
lists, so all abandoned ones should fit into one."""

CREATION_COLUMNS = "guid, owner, request, status, problem, created_at, updated_at"

_INSERT = """
    INSERT INTO creations (
        guid, owner, class_key, request, status, asked, idempotency_key, fingerprint, key_id, taker,
        expires_at, created_at, updated_at
    ) VALUES (
        :guid, :owner, :class_key, :request, :status, :asked, :idempotency_key, :fingerprint,
        :key_id, :taker, :expires_at, :now, :now
    )
"""
_SELECT_OWN = f"SELECT {CREATION_COLUMNS} FROM creations WHERE guid = :guid AND owner = :owner"
_SELECT_KEYED = f"""
    SELECT {CREATION_COLUMNS}, fingerprint FROM creations
    WHERE owner = :owner AND idempotency_key = :idempotency_key
"""
_SELECT_CLAIM = """
    SELECT guid FROM creations
    WHERE guid = :guid AND (owner <> :owner OR (status = 'pending' AND expires_at >= :now))
"""
_SELECT_STATUS = "SELECT status FROM creations WHERE guid = :guid"
_LIST = f"""
    SELECT {CREATION_COLUMNS} FROM creations
    WHERE owner = :owner AND status = :status AND {AFTER} {PAGE}
"""
_LIST_LEASES = """
    SELECT guid, status, asked, expires_at FROM creations
    WHERE expires_at < :horizon ORDER BY expires_at LIMIT :limit
"""
_LIST_ABANDONED = f"""
    SELECT guid FROM creations
    WHERE status = 'pending' AND expires_at < :before AND guid > :guid
    ORDER BY guid LIMIT {PART_SIZE}
"""
_MARK_ASKED = """
    UPDATE creations SET asked = 1, expires_at = :expires_at, updated_at = :now
    WHERE guid = :guid AND status = 'pending' AND asked = 0
"""
_EXTEND = """
    UPDATE creations SET expires_at = :expires_at
    WHERE guid = :guid AND status = 'pending' AND expires_at < :expires_at
"""
_EXTEND_ALL = f"""
    UPDATE creations SET expires_at = :expires_at
    WHERE {IS_AMONG} AND status = 'pending' AND expires_at < :expires_at
"""
_SELECT_GUIDS = f"SELECT guid FROM creations WHERE {IS_AMONG}"
_FAIL = """
    UPDATE creations
    SET status = :status, place = NULL, problem = :problem, expires_at = :expires_at,
        updated_at = :now
    WHERE guid = :guid AND status IN ('pending', 'unknown')
"""
_GIVE_UP = """
    UPDATE creations
    SET status = 'unknown', place = NULL, problem = :problem, expires_at = :expires_at,
        updated_at = :now
    WHERE guid = :guid AND status = 'pending' AND asked = 1
    AND expires_at = :seen AND expires_at < :now
"""
_DELETE_KEYLESS = """
    DELETE FROM creations WHERE guid = :guid AND idempotency_key IS NULL AND taker IS NULL
"""
_MARK_READY = """
    UPDATE creations
    SET status = 'ready', place = NULL, problem = NULL, expires_at = :expires_at,
        updated_at = :now
    WHERE guid = :guid
"""
_DELETE = "DELETE FROM creations WHERE guid = :guid"
_DELETE_EXPIRED = """
    DELETE FROM creations
    WHERE guid = :guid AND (status <> 'pending' OR asked = 0)
    AND expires_at = :seen AND expires_at < :now
"""


class Lease(NamedTuple):
    """The end of a creation's time.

    Attributes:
        guid: The creation's guid.
        status: Its status.
        asked: Whether the provider was asked.
        expires_at: The end; it changes when its process extends the lease.
        is_expired: Whether that has passed, by the database's clock.
    """

    guid: str
    status: CreationStatus
    asked: bool
    expires_at: str
    is_expired: bool


class CreationRepository:
    """The creations of one database.

    Raises:
        PixyProxyException: From every method: DBConnectionError, DatabaseBusyError or
            DatabaseError when the database fails.
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
        *,
        key_id: str | None = None,
    ) -> Creation:
        """Claim a guid, and perhaps an idempotency key, for one lease.

        Args:
            guid: A new one.
            request: What is asked for.
            owner: Who asks.
            fingerprint: Of the request, 64 hexadecimal digits.
            idempotency_key: The owner's own name for the request.
            key_id: The API key whose retries find the creation until it is delivered; None if
                none does.

        Raises:
            ConstraintViolationError: The guid or key is taken, or the owner is gone.
        """
        now = self._database.now()
        parameters = {
            **_describe(guid, request, owner, fingerprint, idempotency_key, key_id=key_id),
            "status": CreationStatus.PENDING.value,
            "asked": 0,
            **_lasting(LEASE, now),
        }
        self._database.execute(_INSERT, parameters)
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
        key_id: str | None = None,
        status: CreationStatus,
    ) -> None:
        """Insert a creation again whose row a failover has lost after the provider was asked.

        Its arguments are those of `insert_creation`. A pending one begins a new lease. It has no
        place at the provider, which may be another's by now.

        Raises:
            ConstraintViolationError: The guid or key is taken, or the owner is gone.
        """
        duration = LEASE if status == CreationStatus.PENDING else RETENTION
        parameters = {
            **_describe(guid, request, owner, fingerprint, idempotency_key, key_id=key_id),
            "status": status.value,
            "asked": 1,
            **_lasting(duration, self._database.now()),
        }
        self._database.execute(_INSERT, parameters)

    def find_creation(self, guid: str, owner: str) -> Creation | None:
        """Find a creation of one owner."""
        row = self._database.fetch_one(
            _SELECT_OWN, {"guid": guid, "owner": owner}, lambda row: row[:2] == (guid, owner)
        )
        return None if row is None else creation_from_row(row)

    def is_claimed(self, guid: str, owner: str) -> bool:
        """Return whether a creation of this guid is running, or belongs to another owner."""
        now = time_to_parameter(self._database.now())
        parameters = {"guid": guid, "owner": owner, "now": now}
        return self._database.fetch_one(_SELECT_CLAIM, parameters) is not None

    def find_keyed_creation(self, owner: str, idempotency_key: str) -> tuple[Creation, str] | None:
        """Find what an owner asked for with an idempotency key, and that request's fingerprint."""
        parameters = {"owner": owner, "idempotency_key": idempotency_key}
        row = self._database.fetch_one(_SELECT_KEYED, parameters)
        return None if row is None else (creation_from_row(row[:-1]), row[-1])

    def list_creations(
        self, owner: str, status: CreationStatus, limit: int, after: Position | None = None
    ) -> list[Creation]:
        """Return a page of one owner's creations of one status, newest first."""
        position = after or NEWEST
        parameters = {
            "owner": owner,
            "status": status.value,
            "created_at": time_to_parameter(position.created_at),
            "guid": position.guid,
            "limit": limit,
        }
        return [creation_from_row(row) for row in self._database.fetch_all(_LIST, parameters)]

    def has_creation(self, guid: str) -> bool:
        """Return whether there is a creation of this guid."""
        return self._find_status(guid) is not None

    def is_pending(self, guid: str) -> bool:
        """Return whether there is a pending creation of this guid."""
        return self._find_status(guid) == CreationStatus.PENDING

    def delete_creation(self, guid: str) -> None:
        """Delete a creation with its key, if there is one."""
        self._database.execute(_DELETE, {"guid": guid})

    def mark_asked(self, guid: str) -> bool:
        """Note that the provider is about to be asked, and begin a new lease.

        Returns:
            False if the claim is not there any more.
        """
        return self._change(_MARK_ASKED, guid, LEASE)

    def extend_lease(self, guid: str) -> bool:
        """Begin a new lease; return False if the creation is not pending."""
        return self._change(_EXTEND, guid, LEASE)

    def extend_leases(self, guids: Sequence[str]) -> set[str]:
        """Begin a new lease for each of many pending creations.

        Returns:
            The guids for which there is no creation any more.
        """
        missing: set[str] = set()
        for start in range(0, len(guids), PART_SIZE):
            missing |= self._extend_part(list(guids[start : start + PART_SIZE]))
        return missing

    def finish_creation(self, guid: str) -> bool:
        """Note that the image is there: a row that no retry looks for is deleted.

        Returns:
            False if there is no such creation.
        """
        if self._database.execute(_DELETE_KEYLESS, {"guid": guid}).rowcount > 0:
            return True
        return self._change(_MARK_READY, guid, RETENTION)

    def fail_creation(self, guid: str, status: CreationStatus, problem: CreationProblem) -> bool:
        """Note that there is no image, or that nobody can know.

        Returns:
            False if the creation was neither pending nor unknown.
        """
        values = {"status": status.value, "problem": problem.model_dump_json()}
        return self._change(_FAIL, guid, RETENTION, **values)

    def give_up(self, lease: Lease, problem: CreationProblem) -> bool:
        """Note that the process that had asked the provider is gone.

        Args:
            lease: From `list_leases`.
            problem: What is known.

        Returns:
            False if the lease was extended, or another process was first.
        """
        values = {"problem": problem.model_dump_json(), "seen": lease.expires_at}
        return self._change(_GIVE_UP, lease.guid, RETENTION, **values)

    def list_leases(self) -> list[Lease]:
        """Return the pending creations, and the others whose time has run out.

        There are at most 10,000, those first whose time ran out longest ago.
        """
        now = self._database.now()
        # no lease ends later than that
        parameters = {"horizon": time_to_parameter(now + 2 * LEASE), "limit": _MAX_LEASES}
        rows = self._database.fetch_all(_LIST_LEASES, parameters)
        return [
            Lease(
                guid, CreationStatus(status), bool(asked), expires, time_from_value(expires) < now
            )
            for guid, status, asked, expires in rows
        ]

    def list_abandoned(self, seconds: float) -> Iterator[str]:
        """Yield the guid of each pending creation whose lease ended so many seconds ago."""
        before = time_to_parameter(self._database.now() - timedelta(seconds=seconds))
        after = ""
        while rows := self._database.fetch_all(_LIST_ABANDONED, {"before": before, "guid": after}):
            yield from (row[0] for row in rows)
            after = rows[-1][0]

    def delete_expired(self, lease: Lease) -> bool:
        """Delete a creation whose time has run out, unless it is pending and was asked for.

        Args:
            lease: From `list_leases`.

        Returns:
            False if it is not there any more, or its lease was extended.
        """
        now = time_to_parameter(self._database.now())
        parameters = {"guid": lease.guid, "seen": lease.expires_at, "now": now}
        return self._database.execute(_DELETE_EXPIRED, parameters).rowcount > 0

    def _extend_part(self, guids: list[str]) -> set[str]:
        # padded with a guid, since MySQL would lock the gap of one that is not there
        names = name_guids((guids + guids[:1] * PART_SIZE)[:PART_SIZE])
        parameters = names | _lasting(LEASE, self._database.now())
        if self._database.execute(_EXTEND_ALL, parameters).rowcount == len(guids):
            return set()
        return set(guids) - {row[0] for row in self._database.fetch_all(_SELECT_GUIDS, names)}

    def _find_status(self, guid: str) -> str | None:
        row = self._database.fetch_one(_SELECT_STATUS, {"guid": guid})
        return None if row is None else str(row[0])

    def _change(self, statement: str, guid: str, duration: timedelta, **values: str) -> bool:
        parameters = {"guid": guid, **values, **_lasting(duration, self._database.now())}
        return self._database.execute(statement, parameters).rowcount > 0


def _describe(
    guid: str,
    request: ImageDetailCreate,
    owner: User,
    fingerprint: str,
    idempotency_key: str | None,
    *,
    key_id: str | None,
) -> dict[str, object]:
    return {
        "guid": guid,
        "owner": owner.username,
        "class_key": owner.class_key,
        "request": request.model_dump_json(),
        "idempotency_key": idempotency_key,
        "fingerprint": fingerprint,
        "key_id": key_id,
        # see deliveries.py
        "taker": None if key_id is None else guid,
    }


def _lasting(duration: timedelta, now: datetime) -> dict[str, str]:
    return {"now": time_to_parameter(now), "expires_at": time_to_parameter(now + duration)}
