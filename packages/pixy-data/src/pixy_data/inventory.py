"""What is there: every row and every file, in parts of bounded size, for whoever compares them.

Files are looked at and moved aside here, never deleted; what a difference means is decided above.
"""

# ruff: noqa: S608 - what is formatted in are names of parameters

import errno
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pixy_core import StorageUnavailableError
from pixy_data.database import Database
from pixy_data.durable_files import write_durably

PART_SIZE = 200
"""Rows, or files, that are held in memory at once."""

_BLOCK = 1 << 20
_SHELF = re.compile(r"[0-9a-f]{2}", re.ASCII)
_FILE = re.compile(
    r"(?P<guid>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(png|jpg|webp)(?P<part>\..*part)?",
    re.ASCII,
)
_COLUMNS = "guid, filename, size, sha256"
_NAMES = [f"guid_{number}" for number in range(PART_SIZE)]
_SELECT_AFTER = f"SELECT {_COLUMNS} FROM images WHERE guid > :guid ORDER BY guid LIMIT {PART_SIZE}"
_SELECT_SOME = f"""
    SELECT {_COLUMNS} FROM images WHERE guid IN ({", ".join(f":{name}" for name in _NAMES)})
"""
_SELECT_ANY = "SELECT guid FROM images LIMIT 1"


class FileRecord(NamedTuple):
    """What a row says of its file."""

    guid: str
    filename: str
    size: int
    sha256: str


class FoundFile(NamedTuple):
    """A file whose name is one that the store gives.

    Attributes:
        path: Where it is.
        guid: The image that its name speaks of.
        is_part: Whether it is still to be renamed to its final name.
        age: Seconds since its content, name or permissions changed; None if its times can't be
            believed, as they lie in the future or at the epoch.
    """

    path: Path
    guid: str
    is_part: bool
    age: float | None


class Inventory:
    """The rows and the files of one installation.

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
        wanted = guids + [""] * (PART_SIZE - len(guids))
        rows = self._database.fetch_all(_SELECT_SOME, dict(zip(_NAMES, wanted, strict=True)))
        return {record.guid: record for record in (FileRecord(*row) for row in rows)}

    def list_files(self) -> Iterator[list[FoundFile]]:
        """Return every file that has a name of the store's, in parts of PART_SIZE.

        Raises:
            StorageUnavailableError: The folder can't be read.
        """
        files = self._walk()
        while part := list(islice(files, PART_SIZE)):
            yield part

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

    def set_aside(self, file: FoundFile, quarantine: Path) -> Path:
        """Move a file to another folder, durably; nothing that is there is replaced.

        Args:
            file: As it was found.
            quarantine: The folder; it is made.

        Returns:
            Where the file is now.

        Raises:
            StorageUnavailableError: It can't be moved, and is where it was.
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

    def _walk(self) -> Iterator[FoundFile]:
        try:
            shelves = sorted(
                shelf.path
                for shelf in os.scandir(self._directory)
                if _SHELF.fullmatch(shelf.name) and shelf.is_dir(follow_symlinks=False)
            )
            for shelf in shelves:
                with os.scandir(shelf) as entries:
                    for entry in entries:
                        yield from _describe(entry)
        except OSError as error:
            raise StorageUnavailableError from error


def _describe(entry: os.DirEntry[str]) -> Iterator[FoundFile]:
    name = _FILE.fullmatch(entry.name)
    if name is None:
        return
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # renamed or deleted meanwhile
        return
    if stat.S_ISREG(status.st_mode):
        age = time.time() - max(status.st_mtime, status.st_ctime)
        is_dated = age >= 0 and status.st_mtime > 0
        path = Path(entry.path)
        yield FoundFile(path, name["guid"], bool(name["part"]), age if is_dated else None)


def _describes(descriptor: int, record: FileRecord) -> bool:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
        return False
    digest = hashlib.sha256()
    while block := os.read(descriptor, _BLOCK):
        digest.update(block)
    return digest.hexdigest() == record.sha256
