"""What limits the requests to the provider, in all processes together: places, and a pause.

A pending creation may have a place, which is a number that no other creation has. Its place is
free again when it is not pending any more (creations.py).
"""

import random
from datetime import timedelta

from pixy_core import ConstraintViolationError
from pixy_data.conversions import time_from_value, time_to_parameter
from pixy_data.database.database import Database

MAX_PAUSE = timedelta(minutes=5)
"""The longest pause, whatever the provider asks for. A longer one in the row was noted by a clock
that was ahead, and does not count."""

_LIST_PLACES = "SELECT place FROM creations WHERE place <= :places"
_COUNT_PLACES = "SELECT COUNT(*) FROM creations WHERE place IS NOT NULL"
_TAKE_PLACE = "UPDATE creations SET place = :place WHERE guid = :guid"
_SELECT_PAUSE = "SELECT ends_at, {now} FROM provider_pauses WHERE name = 'images'"
_EXTEND_PAUSE = """
    UPDATE provider_pauses SET ends_at = :ends_at
    WHERE name = 'images' AND (ends_at < :ends_at OR ends_at > :latest)
"""


class ProviderLimitRepository:
    """The limits of one database. All times are by the database's clock.

    Raises:
        PixyProxyException: From every method: the database failed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._select_pause = _SELECT_PAUSE.format(now=database.now_sql)

    def take_place(self, guid: str, places: int) -> bool:
        """Give a new creation a place, in the transaction that inserts it.

        Args:
            guid: The creation's.
            places: The highest number.

        Returns:
            False if none is free; the transaction should be rolled back then.
        """
        rows = self._database.fetch_all(_LIST_PLACES, {"places": places})
        free = sorted(set(range(1, places + 1)) - {row[0] for row in rows})
        # in random order, so that those who look at the same moment want different ones
        for place in random.sample(free, len(free)):
            try:
                self._database.execute(_TAKE_PLACE, {"guid": guid, "place": place})
            except ConstraintViolationError:  # another transaction was first
                continue
            return True
        return False

    def count_places(self) -> int:
        """Return how many places are taken."""
        row = self._database.fetch_one(_COUNT_PLACES, {})
        return 0 if row is None else int(row[0])

    def find_pause(self) -> timedelta | None:
        """Return how long the provider wants no request; None if it takes them."""
        row = self._database.fetch_one(self._select_pause, {})
        if row is None:
            return None
        remaining = time_from_value(row[0]) - time_from_value(row[1])
        return remaining if timedelta(0) < remaining <= MAX_PAUSE else None

    def extend_pause(self, duration: timedelta) -> None:
        """Begin a pause, or extend the present one; it is never shortened.

        Args:
            duration: How long the provider wants no request; at most MAX_PAUSE counts.
        """
        now = self._database.now()
        self._database.execute(
            _EXTEND_PAUSE,
            {
                "ends_at": time_to_parameter(now + min(duration, MAX_PAUSE)),
                "latest": time_to_parameter(now + MAX_PAUSE),
            },
        )
