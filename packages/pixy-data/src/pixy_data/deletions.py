"""The rows of deletions: images whose rows are gone and whose files may still be there."""

from datetime import UTC, datetime
from typing import NamedTuple

from pixy_data.conversions import time_to_parameter
from pixy_data.database.database import Database, join_transaction

_INSERT = """
    INSERT INTO deletions (guid, filename, created_at) VALUES (:guid, :filename, :created_at)
"""
_LIST = "SELECT guid, filename FROM deletions WHERE guid > :after ORDER BY guid LIMIT :limit"
_DELETE = "DELETE FROM deletions WHERE guid = :guid"


class Deletion(NamedTuple):
    """An image whose row is gone: its guid, and its file's name in the content store."""

    guid: str
    filename: str


class DeletionRepository:
    """The deletions of one database.

    Every method raises DBConnectionError, DatabaseBusyError or DatabaseError when the database
    fails.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert_deletion(self, deletion: Deletion) -> None:
        """Note that the files of an image are to be removed, in the transaction of its row.

        One that is listed already, because its row came back, is fine.

        Args:
            deletion: Whose row is deleted.

        Raises:
            PixyProxyException: The database failed.
        """
        created_at = time_to_parameter(datetime.now(UTC))

        def work() -> None:
            self.delete_deletion(deletion.guid)
            self._database.execute(_INSERT, {**deletion._asdict(), "created_at": created_at})

        join_transaction(self._database, work)

    def list_deletions(self, limit: int, after: str = "") -> list[Deletion]:
        """Return deletions that are not finished, in the order of their guids.

        Args:
            limit: Deletions at most.
            after: The guid that they follow.

        Raises:
            PixyProxyException: The database failed.
        """
        rows = self._database.fetch_all(_LIST, {"after": after, "limit": limit})
        return [Deletion(*row) for row in rows]

    def delete_deletion(self, guid: str) -> None:
        """Note that the files of an image are removed; again is fine.

        Args:
            guid: From `list_deletions`.

        Raises:
            PixyProxyException: The database failed.
        """
        self._database.execute(_DELETE, {"guid": guid})
