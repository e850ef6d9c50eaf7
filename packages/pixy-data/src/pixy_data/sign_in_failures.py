"""The rows of failed sign-ins: their SQL, and nothing that decides how many are too many."""

from datetime import datetime
from typing import NamedTuple

from pixy_data.conversions import time_from_value, time_to_parameter
from pixy_data.database.database import Database

_SELECT = """
    SELECT number, failed_at FROM sign_in_failures WHERE client = :client
    ORDER BY number DESC LIMIT :limit
"""
_INSERT = """
    INSERT INTO sign_in_failures (client, number, failed_at)
    VALUES (:client, :number, :failed_at)
"""
_DELETE = "DELETE FROM sign_in_failures WHERE failed_at < :before"


class SignInFailure(NamedTuple):
    """One failed sign-in of a client: its sequence number and time."""

    number: int
    failed_at: datetime


class SignInFailureRepository:
    """The failed sign-ins of one database, which every process on it shares.

    A client is identified by 64 ASCII characters.

    Raises:
        PixyProxyException: From every method: the database failed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_failures(self, client: str, limit: int) -> list[SignInFailure]:
        """Return up to `limit` failures of a client, the latest first."""
        rows = self._database.fetch_all(_SELECT, {"client": client, "limit": limit})
        return [SignInFailure(number, time_from_value(failed_at)) for number, failed_at in rows]

    def insert_failure(self, client: str, failure: SignInFailure) -> None:
        """Store one more failure of a client.

        Args:
            client: The client.
            failure: Its number is one more than that of the client's last.

        Raises:
            ConstraintViolationError: Another failure has taken this number.
        """
        self._database.execute(
            _INSERT,
            {
                "client": client,
                "number": failure.number,
                "failed_at": time_to_parameter(failure.failed_at),
            },
        )

    def now(self) -> datetime:
        """Return the database's time, by which failures are counted: machines' clocks differ."""
        return self._database.now()

    def delete_failures(self, before: datetime) -> None:
        """Delete every client's failures before an aware time."""
        self._database.execute(_DELETE, {"before": time_to_parameter(before)})
