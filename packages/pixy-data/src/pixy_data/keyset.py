"""Reading many rows in parts: pages of lists by keyset, and the rows of many guids.

A page begins after the last row of the page before it, newest first.
"""

from datetime import UTC, datetime
from typing import NamedTuple


class Position(NamedTuple):
    """The creation time and guid of the last row of a page."""

    created_at: datetime
    guid: str


NEWEST = Position(datetime.max.replace(tzinfo=UTC), "g")
"""Before every row: no time is later, and every guid sorts before this letter."""

OLDEST = datetime(1970, 1, 1, tzinfo=UTC)
"""The earliest time of an image."""

# the first condition is redundant, but lets both databases use a range of the index; the second
# decides between equal times
AFTER = """
    created_at <= :created_at
    AND (created_at < :created_at OR (created_at = :created_at AND guid < :guid))
"""
BEFORE = """
    created_at >= :created_at
    AND (created_at > :created_at OR (created_at = :created_at AND guid > :guid))
"""
"""The same in the other order, oldest first."""
PAGE = "ORDER BY created_at DESC, guid DESC LIMIT :limit"

PART_SIZE = 200
"""Rows, or files, that are in memory at the same time when all are read."""

_NAMES = [f"guid_{number}" for number in range(PART_SIZE)]
IS_AMONG = f"guid IN ({', '.join(f':{name}' for name in _NAMES)})"
"""The SQL condition that a row has one of the guids of `name_guids`."""


def name_guids(guids: list[str]) -> dict[str, object]:
    """Return the parameters of IS_AMONG: up to PART_SIZE guids."""
    wanted = guids + [""] * (PART_SIZE - len(guids))
    return dict(zip(_NAMES, wanted, strict=True))
