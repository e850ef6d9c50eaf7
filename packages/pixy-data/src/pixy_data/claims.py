"""The rows of creations in the making: their leases, how they end, how long they are kept.

A claim belongs to the process that made it for a lease, which that process extends. All times
are the database's own, since the clocks of machines differ. That clock may jump in a failover, so
an expired lease alone does not prove that its process is gone (see `ExpiringCreation`).
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from pixy_core import CreationProblem, CreationStatus
from pixy_data import creation_statements as sql
from pixy_data.conversions import time_from_value, time_to_parameter
from pixy_data.database.database import Database

LEASE = timedelta(seconds=30)
"""How long a claim is its process's own, if it is not extended."""

RETENTION = timedelta(hours=24)
"""How long a creation is kept that is not pending any more, and with it its idempotency key."""

_BATCH = 10_000
"""Maximum length of a list, which bounds its memory. A lease is judged by comparing lists, so all
abandoned claims should fit into one."""


class ExpiringCreation(NamedTuple):
    """A creation whose time has run out, or soon will.

    Attributes:
        guid: Its guid.
        status: Its status.
        asked: Whether the provider was asked for its image.
        expires_at: When its time runs out; it changes whenever its process extends the lease.
        is_expired: Whether that is past, by the database's clock.
    """

    guid: str
    status: CreationStatus
    asked: bool
    expires_at: str
    is_expired: bool


class ClaimRepository:
    """The claims of one database.

    Every method raises DBConnectionError, DatabaseBusyError or DatabaseError when the database
    fails.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark_asked(self, guid: str) -> bool:
        """Note that the provider is about to be asked, and begin a new lease.

        Args:
            guid: Of a claim.

        Returns:
            Whether the claim was still there.

        Raises:
            PixyProxyException: The database failed.
        """
        return self._change(sql.MARK_ASKED, guid, LEASE)

    def extend_lease(self, guid: str) -> bool:
        """Begin a new lease of a claim.

        Args:
            guid: Of a claim.

        Returns:
            Whether it is pending.

        Raises:
            PixyProxyException: The database failed.
        """
        return self._change(sql.EXTEND, guid, LEASE)

    def fail_creation(self, guid: str, status: CreationStatus, problem: CreationProblem) -> bool:
        """Note that there is no image, or that nobody can tell.

        Args:
            guid: Of a claim.
            status: Failed or unknown.
            problem: Why.

        Returns:
            Whether it was pending or unknown.

        Raises:
            PixyProxyException: The database failed.
        """
        values = {"status": status.value, "problem": problem.model_dump_json()}
        return self._change(sql.FAIL, guid, RETENTION, **values)

    def give_up(self, creation: ExpiringCreation, problem: CreationProblem) -> bool:
        """Note that the process that had asked the provider for an image is gone.

        Args:
            creation: From `list_expiring`.
            problem: What is known.

        Returns:
            Whether its lease was still not extended; of several processes, one is told so.

        Raises:
            PixyProxyException: The database failed.
        """
        values = {"problem": problem.model_dump_json(), "seen": creation.expires_at}
        return self._change(sql.GIVE_UP, creation.guid, RETENTION, **values)

    def finish_creation(self, guid: str) -> bool:
        """Note that the image is there, or was; only its key is still remembered.

        Args:
            guid: Of a creation, or of none.

        Returns:
            Whether there was such a creation.

        Raises:
            PixyProxyException: The database failed.
        """
        if self._database.execute(sql.FORGET_KEYLESS, {"guid": guid}).rowcount > 0:
            return True
        return self._change(sql.MARK_READY, guid, RETENTION)

    def has(self, guid: str) -> bool:
        """Tell whether there is a creation of this guid.

        Args:
            guid: In canonical form.

        Raises:
            PixyProxyException: The database failed.
        """
        return self._database.fetch_one(sql.SELECT_STATUS, {"guid": guid}) is not None

    def is_pending(self, guid: str) -> bool:
        """Tell whether an image of this guid is being made.

        Args:
            guid: In canonical form.

        Raises:
            PixyProxyException: The database failed.
        """
        row = self._database.fetch_one(sql.SELECT_STATUS, {"guid": guid})
        return row is not None and row[0] == CreationStatus.PENDING

    def list_expiring(self) -> list[ExpiringCreation]:
        """Return the pending creations, and the others whose time has run out.

        There are at most 10,000, those first whose time ran out longest ago.

        Raises:
            PixyProxyException: The database failed.
        """
        now = self._database.now()
        # no lease ends later than that
        parameters = {"horizon": time_to_parameter(now + 2 * LEASE), "limit": _BATCH}
        rows = self._database.fetch_all(sql.LIST_EXPIRING, parameters)
        return [
            ExpiringCreation(
                guid, CreationStatus(status), bool(asked), expires, time_from_value(expires) < now
            )
            for guid, status, asked, expires in rows
        ]

    def delete_expired(self, creation: ExpiringCreation) -> bool:
        """Forget a creation past its time, unless the provider was asked and nobody said more.

        Args:
            creation: From `list_expiring`.

        Returns:
            Whether it was still there, past its time, and not extended.

        Raises:
            PixyProxyException: The database failed.
        """
        now = time_to_parameter(self._database.now())
        parameters = {"guid": creation.guid, "seen": creation.expires_at, "now": now}
        return self._database.execute(sql.DELETE_EXPIRED, parameters).rowcount > 0

    def _change(self, statement: str, guid: str, duration: timedelta, **values: str) -> bool:
        parameters = {"guid": guid, **values, **lasting(duration, self._database.now())}
        return self._database.execute(statement, parameters).rowcount > 0


def lasting(duration: timedelta, now: datetime) -> dict[str, str]:
    """Return the parameters of something that begins now and ends by itself.

    Args:
        duration: How long it lasts.
        now: By the database's clock.

    Raises:
        Nothing.
    """
    return {"now": time_to_parameter(now), "expires_at": time_to_parameter(now + duration)}
