"""Keyset pagination: a page begins after the last row of the page before it, newest first."""

from datetime import UTC, datetime
from typing import NamedTuple


class Position(NamedTuple):
    """The creation time and guid of the last row of a page."""

    created_at: datetime
    guid: str


NEWEST = Position(datetime.max.replace(tzinfo=UTC), "g")
"""Before every row: no time is later, and every guid sorts before this letter."""

# both databases use the first line to find the place; the second decides between equal times
AFTER = """
    created_at <= :created_at
    AND (created_at < :created_at OR (created_at = :created_at AND guid < :guid))
"""
PAGE = "ORDER BY created_at DESC, guid DESC LIMIT :limit"
