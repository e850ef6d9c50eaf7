"""Every row, in parts of bounded size, and whether its file is what it says.

Files are found by themselves in found_files.py; what a difference means is decided above.
"""

# ruff: noqa: S608 - what is formatted in are names of parameters

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from pixy_core import StorageUnavailableError
from pixy_data.conversions import time_to_parameter
from pixy_data.database.database import Database

PART_SIZE = 200
"""Rows, or files, that are held in memory at once."""

_BLOCK = 1 << 20
_COLUMNS = "guid, filename, size, sha256"
_NAMES = [f"guid_{number}" for number in range(PART_SIZE)]
_SELECT_AFTER = f"SELECT {_COLUMNS} FROM images WHERE guid > :guid ORDER BY guid LIMIT {PART_SIZE}"
_SELECT_SOME = f"""
    SELECT {_COLUMNS} FROM images WHERE guid IN ({", ".join(f":{name}" for name in _NAMES)})
"""
_SELECT_DELETED = f"""
    SELECT filename FROM deletions WHERE guid IN ({", ".join(f":{name}" for name in _NAMES)})
"""
_SELECT_ANY = "SELECT guid FROM images LIMIT 1"
_SELECT_ABANDONED = f"""
    SELECT guid FROM creations
    WHERE status = 'pending' AND expires_at < :before AND guid > :guid
    ORDER BY guid LIMIT {PART_SIZE}
"""


class FileRecord(NamedTuple):
    """What a row says of its file."""

    guid: str
    filename: str
    size: int
    sha256: str


class Inventory:
    """The rows of one database.

    Args:
        database: Where the rows are.
        directory: The image folder.
    """

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory.absolute()

    def has_records(self) -> bool:
        """Return whether there is any image at all.

        Raises:
            PixyProxyException: The database failed.
        """
        return self._database.fetch_one(_SELECT_ANY, {}) is not None

    def list_records(self) -> Iterator[FileRecord]:
        """Return every row, by guid; no connection is held between two parts.

        Raises:
            PixyProxyException: The database failed.
        """
        after = ""
        while rows := self._database.fetch_all(_SELECT_AFTER, {"guid": after}):
            records = [FileRecord(*row) for row in rows]
            yield from records
            after = records[-1].guid

    def find_records(self, guids: list[str]) -> dict[str, FileRecord]:
        """Return the rows of some images.

        Args:
            guids: At most PART_SIZE of them.

        Returns:
            Guid -> row, for those that have one.

        Raises:
            PixyProxyException: The database failed.
        """
        rows = self._database.fetch_all(_SELECT_SOME, _name(guids))
        return {record.guid: record for record in (FileRecord(*row) for row in rows)}

    def find_deleted(self, guids: list[str]) -> set[str]:
        """Return the files of some deleted images that a running server has still to remove.

        Args:
            guids: At most PART_SIZE of them.

        Raises:
            PixyProxyException: The database failed.
        """
        return {str(row[0]) for row in self._database.fetch_all(_SELECT_DELETED, _name(guids))}

    def list_abandoned(self, seconds: float) -> Iterator[str]:
        """Return the guid of each creation that is pending, and that nobody works on.

        Args:
            seconds: For how long nobody has.

        Raises:
            PixyProxyException: The database failed.
        """
        before = time_to_parameter(self._database.now() - timedelta(seconds=seconds))
        after = ""
        while rows := self._database.fetch_all(
            _SELECT_ABANDONED, {"before": before, "guid": after}
        ):
            yield from (row[0] for row in rows)
            after = rows[-1][0]

    def find_difference(self, record: FileRecord) -> str | None:
        """Compare a row with its file.

        Args:
            record: From a row.

        Returns:
            `missing` or `corrupt`, or None where all agrees.

        Raises:
            StorageUnavailableError: The file can't be read.
        """
        path = self._directory / record.filename[:2] / record.filename
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(path, flags)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return "missing"
            if error.errno in (errno.ELOOP, errno.ENXIO):
                return "corrupt"
            raise StorageUnavailableError from error
        try:
            agrees = _describes(descriptor, record)
        except OSError as error:
            # a disk that can't give a file back has lost it
            if error.errno == errno.EIO:
                return "corrupt"
            raise StorageUnavailableError from error
        finally:
            os.close(descriptor)
        return None if agrees else "corrupt"


def _describes(descriptor: int, record: FileRecord) -> bool:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
        return False
    digest = hashlib.sha256()
    while block := os.read(descriptor, _BLOCK):
        digest.update(block)
    return digest.hexdigest() == record.sha256


def _name(guids: list[str]) -> dict[str, object]:
    wanted = guids + [""] * (PART_SIZE - len(guids))
    return dict(zip(_NAMES, wanted, strict=True))
