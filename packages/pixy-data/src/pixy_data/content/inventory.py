"""All rows and all files of a data folder, read in parts of bounded size.

Files are compared and moved here, never deleted.
"""

# ruff: noqa: S608 - only names of columns and parameters are formatted in

import errno
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from pixy_core import StorageUnavailableError
from pixy_data.content.durable_files import open_to_read, write_durably
from pixy_data.content.layout import ENTRY, FILENAME, SHELF, STAGING, UNFINISHED, locate
from pixy_data.conversions import time_to_parameter
from pixy_data.database.database import Database

_PART_SIZE = 200
"""Rows, or files, that are in memory at the same time."""

_COLUMNS = "guid, filename, size, sha256"
_NAMES = [f"guid_{number}" for number in range(_PART_SIZE)]
_GUIDS = ", ".join(f":{name}" for name in _NAMES)
_LIST = f"SELECT {_COLUMNS} FROM images WHERE guid > :guid ORDER BY guid LIMIT {_PART_SIZE}"
_SELECT_SOME = f"SELECT {_COLUMNS} FROM images WHERE guid IN ({_GUIDS})"
_SELECT_DELETED = f"SELECT filename FROM deletions WHERE guid IN ({_GUIDS})"
_SELECT_ANY = "SELECT guid FROM images LIMIT 1"
_LIST_ABANDONED = f"""
    SELECT guid FROM creations
    WHERE status = 'pending' AND expires_at < :before AND guid > :guid
    ORDER BY guid LIMIT {_PART_SIZE}
"""

_BLOCK = 1 << 20


class FileRecord(NamedTuple):
    """The columns of an image's row that describe its file."""

    guid: str
    filename: str
    size: int
    sha256: str


class Inventory:
    """The rows of a database, and whether their files agree.

    Args:
        database: The rows.
        directory: The image folder.
    """

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory.absolute()

    def has_records(self) -> bool:
        """Return whether there is any image."""
        return self._database.fetch_one(_SELECT_ANY, {}) is not None

    def list_records(self) -> Iterator[FileRecord]:
        """Yield every row, ordered by guid. No connection is held between two parts."""
        after = ""
        while rows := self._database.fetch_all(_LIST, {"guid": after}):
            records = [FileRecord(*row) for row in rows]
            yield from records
            after = records[-1].guid

    def find_records(self, guids: list[str]) -> dict[str, FileRecord]:
        """Return the rows of a part of the images by guid, for those that have one."""
        rows = self._database.fetch_all(_SELECT_SOME, _name(guids))
        return {record.guid: record for record in (FileRecord(*row) for row in rows)}

    def find_deleted(self, guids: list[str]) -> set[str]:
        """Return the files of a part of the images that a running server has yet to remove."""
        return {str(row[0]) for row in self._database.fetch_all(_SELECT_DELETED, _name(guids))}

    def list_abandoned(self, seconds: float) -> Iterator[str]:
        """Yield the guid of each pending creation whose lease ended so many seconds ago."""
        before = time_to_parameter(self._database.now() - timedelta(seconds=seconds))
        after = ""
        while rows := self._database.fetch_all(_LIST_ABANDONED, {"before": before, "guid": after}):
            yield from (row[0] for row in rows)
            after = rows[-1][0]

    def find_difference(self, record: FileRecord) -> str | None:
        """Compare a row with its file: `missing`, `corrupt`, or None if they agree.

        Raises:
            StorageUnavailableError: The file can't be read.
        """
        try:
            descriptor = open_to_read(locate(self._directory, record.filename))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return "missing"
            if error.errno in (errno.ELOOP, errno.ENXIO):
                return "corrupt"
            raise StorageUnavailableError from error
        try:
            agrees = _is_file_of(descriptor, record)
        except OSError as error:
            # the disk has lost the file
            if error.errno == errno.EIO:
                return "corrupt"
            raise StorageUnavailableError from error
        finally:
            os.close(descriptor)
        return None if agrees else "corrupt"


class FoundFile(NamedTuple):
    """A file with a name that PixyProxy gives.

    Attributes:
        path: Its path.
        guid: The image's.
        age: Seconds since its content, name or permissions changed; None if its times are not
            credible: in the future or at the epoch.
    """

    path: Path
    guid: str
    age: float | None


class FoundFiles:
    """The files of one data folder.

    Args:
        directory: The image folder.
        journal: The journal's folder; it may be absent.
    """

    def __init__(self, directory: Path, journal: Path) -> None:
        self._directory = directory.absolute()
        self._journal = journal.absolute()

    def list_files(self) -> Iterator[list[FoundFile]]:
        """Yield the image files, in parts.

        Raises:
            StorageUnavailableError: A folder can't be read.
        """
        files = (file for shelf in self._list_shelves() for file in _list(shelf, FILENAME))
        while part := list(islice(files, _PART_SIZE)):
            yield part

    def list_unfinished(self) -> Iterator[FoundFile]:
        """Yield the files that do not have their final names yet.

        Raises:
            StorageUnavailableError: A folder can't be read.
        """
        for folder in (self._directory / STAGING, self._journal, *self._list_shelves()):
            yield from _list(folder, UNFINISHED)

    def list_entries(self) -> Iterator[FoundFile]:
        """Yield the journal entries.

        Raises:
            StorageUnavailableError: The folder can't be read.
        """
        return _list(self._journal, ENTRY)

    def set_aside(self, file: FoundFile, quarantine: Path) -> Path:
        """Move a file durably to another folder, without replacing a file there.

        Args:
            file: The file.
            quarantine: The folder; it is created.

        Returns:
            The file's new path.

        Raises:
            StorageUnavailableError: It can't be moved, and is still there.
        """
        try:
            quarantine.mkdir(mode=0o700, exist_ok=True)
            target = quarantine / file.path.name
            if target.exists():
                target = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
            try:
                file.path.rename(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                write_durably(target, file.path.read_bytes())
                file.path.unlink()
        except OSError as error:
            raise StorageUnavailableError from error
        return target

    def _list_shelves(self) -> list[Path]:
        try:
            found = self._directory.iterdir()
            return sorted(path for path in found if SHELF.fullmatch(path.name) and path.is_dir())
        except OSError as error:
            raise StorageUnavailableError from error


def _is_file_of(descriptor: int, record: FileRecord) -> bool:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
        return False
    digest = hashlib.sha256()
    while block := os.read(descriptor, _BLOCK):
        digest.update(block)
    return digest.hexdigest() == record.sha256


def _name(guids: list[str]) -> dict[str, object]:
    wanted = guids + [""] * (_PART_SIZE - len(guids))
    return dict(zip(_NAMES, wanted, strict=True))


def _list(folder: Path, names: re.Pattern[str]) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as entries:
            # sorted for reports; a folder holds one of 256 parts of the files
            for entry in sorted(entries, key=attrgetter("name")):
                name = names.fullmatch(entry.name)
                if name is not None:
                    yield from _describe(entry, name[1])
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageUnavailableError from error


def _describe(entry: os.DirEntry[str], guid: str) -> Iterator[FoundFile]:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # renamed or deleted in the meantime
        return
    if stat.S_ISREG(status.st_mode):
        age = time.time() - max(status.st_mtime, status.st_ctime)
        is_dated = age >= 0 and status.st_mtime > 0
        yield FoundFile(Path(entry.path), guid, age if is_dated else None)
