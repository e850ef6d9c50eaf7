"""The rows of deletions: images whose rows are gone and whose files may still be there."""

from datetime import UTC, datetime
from typing import NamedTuple

from pixy_data.conversions import time_to_parameter
from pixy_data.database.database import Database, join_transaction
from pixy_data.keyset import IS_AMONG, name_guids

_INSERT = """
    INSERT INTO deletions (guid, filename, created_at) VALUES (:guid, :filename, :created_at)
"""
_LIST = "SELECT guid, filename FROM deletions WHERE guid > :after ORDER BY guid LIMIT :limit"
_SELECT_FILENAMES = f"SELECT filename FROM deletions WHERE {IS_AMONG}"  # noqa: S608 - a constant
_DELETE = "DELETE FROM deletions WHERE guid = :guid"


class Deletion(NamedTuple):
    """An image whose row is gone: its guid, and its file's name in the content store."""

    guid: str
    filename: str


class DeletionRepository:
    """The deletions of one database.

    Raises:
        PixyProxyException: From every method: the database failed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert_deletion(self, deletion: Deletion) -> None:
        """Note that the files of an image are to be removed, in the transaction of its row.

        It may be listed already, if its row came back.
        """
        created_at = time_to_parameter(datetime.now(UTC))

        def work() -> None:
            self.delete_deletion(deletion.guid)
            self._database.execute(_INSERT, {**deletion._asdict(), "created_at": created_at})

        join_transaction(self._database, work)

    def list_deletions(self, limit: int, after: str = "") -> list[Deletion]:
        """Return up to `limit` unfinished deletions that follow a guid, ordered by guid."""
        rows = self._database.fetch_all(_LIST, {"after": after, "limit": limit})
        return [Deletion(*row) for row in rows]

    def find_filenames(self, guids: list[str]) -> set[str]:
        """Return the files of up to PART_SIZE deleted images that are still to be removed."""
        rows = self._database.fetch_all(_SELECT_FILENAMES, name_guids(guids))
        return {str(row[0]) for row in rows}

    def delete_deletion(self, guid: str) -> None:
        """Note that the files of an image are removed; repeating this is harmless."""
        self._database.execute(_DELETE, {"guid": guid})
