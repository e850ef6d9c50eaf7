"""Creations that an API key's retries may take over, because no answer has delivered them.

Each has a taker, which is a token of the request that is going to deliver it: its own guid for the
request that made it, another one for a retry, RELEASED if that request has given up. Creations
without a taker are not delivered by an answer, and no retry finds them.
"""

# ruff: noqa: S608 - only constants are formatted in

from datetime import timedelta
from typing import NamedTuple

from pixy_core import Creation
from pixy_data.conversions import creation_from_row, time_to_parameter
from pixy_data.creations import CREATION_COLUMNS
from pixy_data.database.database import Database

RETRY_WINDOW = timedelta(minutes=10)
"""Age up to which a creation is found by a retry."""

RELEASED = "-"
"""The taker of a creation whose request has given up."""

# first those that nobody is going to deliver, then those that no retry has taken yet
_FIND = f"""
    SELECT {CREATION_COLUMNS}, taker FROM creations
    WHERE key_id = :key_id AND fingerprint = :fingerprint AND created_at >= :since
    AND owner = :owner AND idempotency_key IS NULL AND taker IS NOT NULL AND delivered_at IS NULL
    ORDER BY CASE WHEN taker = '{RELEASED}' THEN 0 WHEN taker = guid THEN 1 ELSE 2 END,
        created_at, guid
    LIMIT 1
"""
_TAKE_OVER = """
    UPDATE creations SET taker = :taker
    WHERE guid = :guid AND taker = :seen AND delivered_at IS NULL
"""
_NOTE_DELIVERY = """
    UPDATE creations SET delivered_at = :now
    WHERE guid = :guid AND taker IS NOT NULL AND delivered_at IS NULL
"""


class Undelivered(NamedTuple):
    """A creation that no answer has delivered.

    Attributes:
        creation: The creation.
        taker: Its taker.
    """

    creation: Creation
    taker: str


class DeliveryRepository:
    """The undelivered creations of one database.

    Args:
        database: Where they are.

    Raises:
        PixyProxyException: From every method: DBConnectionError, DatabaseBusyError or
            DatabaseError when the database fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # SQLite's transactions exclude each other anyway
        self._find = _FIND if database.sqlite else f"{_FIND} FOR UPDATE"

    def find_undelivered(self, owner: str, key_id: str, fingerprint: str) -> Undelivered | None:
        """Find the creation that a retry should take over: the oldest that fits.

        Inside a transaction this locks the range: no other transaction inserts or takes such a
        creation until this one ends.

        Args:
            owner: The user name of the key's owner.
            key_id: The API key of the retry.
            fingerprint: Of its request.
        """
        parameters = {
            "owner": owner,
            "key_id": key_id,
            "fingerprint": fingerprint,
            "since": time_to_parameter(self._database.now() - RETRY_WINDOW),
        }
        row = self._database.fetch_one(self._find, parameters)
        return None if row is None else Undelivered(creation_from_row(row[:-1]), row[-1])

    def take_over(self, guid: str, seen: str, taker: str) -> bool:
        """Replace the taker of an undelivered creation.

        Args:
            guid: The creation's.
            seen: The taker that it is to have now.
            taker: The new one: a token that no other request has, or RELEASED.

        Returns:
            False if it has another taker, or was delivered.
        """
        parameters = {"guid": guid, "seen": seen, "taker": taker}
        return self._database.execute(_TAKE_OVER, parameters).rowcount > 0

    def note_delivery(self, guid: str) -> bool:
        """Note that an answer has delivered a creation, so that no retry finds it any more.

        Returns:
            False if another answer was first, or there is no such creation.
        """
        now = time_to_parameter(self._database.now())
        return self._database.execute(_NOTE_DELIVERY, {"guid": guid, "now": now}).rowcount > 0
