"""Every file of a data folder that has a name of PixyProxy's, in parts of bounded size.

Files are looked at and moved aside here, never deleted; which of them belong is decided above.
"""

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from pixy_core import StorageUnavailableError
from pixy_data.content.durable_files import write_durably
from pixy_data.content.inventory import PART_SIZE
from pixy_data.content.staging import FOLDER as STAGING

_GUID = r"(?P<guid>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_SHELF = re.compile(r"[0-9a-f]{2}", re.ASCII)
_FILE = re.compile(_GUID + r"\.(png|jpg|webp)", re.ASCII)
_ENTRY = re.compile(_GUID + r"\.json", re.ASCII)
_UNFINISHED = re.compile(_GUID + r"(\.[a-z0-9.]{1,40})?\.part", re.ASCII)


class FoundFile(NamedTuple):
    """A file whose name is one that PixyProxy gives.

    Attributes:
        path: Where it is.
        guid: The image that its name speaks of.
        age: Seconds since its content, name or permissions changed; None if its times can't be
            believed, as they lie in the future or at the epoch.
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
        """Return every file that has the name of an image's, in parts of PART_SIZE.

        Raises:
            StorageUnavailableError: A folder can't be read.
        """
        files = (file for shelf in self._list_shelves() for file in _list(shelf, _FILE))
        while part := list(islice(files, PART_SIZE)):
            yield part

    def list_unfinished(self) -> Iterator[FoundFile]:
        """Return every file that is still to be given its final name.

        Raises:
            StorageUnavailableError: A folder can't be read.
        """
        for folder in (self._directory / STAGING, self._journal, *self._list_shelves()):
            yield from _list(folder, _UNFINISHED)

    def list_entries(self) -> Iterator[FoundFile]:
        """Return every entry of the journal.

        Raises:
            StorageUnavailableError: The folder can't be read.
        """
        return _list(self._journal, _ENTRY)

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

    def _list_shelves(self) -> list[Path]:
        try:
            found = self._directory.iterdir()
            return sorted(path for path in found if _SHELF.fullmatch(path.name) and path.is_dir())
        except OSError as error:
            raise StorageUnavailableError from error


def _list(folder: Path, names: re.Pattern[str]) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as entries:
            # a shelf holds one of 256 parts, and a report wants an order
            for entry in sorted(entries, key=attrgetter("name")):
                name = names.fullmatch(entry.name)
                if name is not None:
                    yield from _describe(entry, name["guid"])
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageUnavailableError from error


def _describe(entry: os.DirEntry[str], guid: str) -> Iterator[FoundFile]:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # renamed or deleted meanwhile
        return
    if stat.S_ISREG(status.st_mode):
        age = time.time() - max(status.st_mtime, status.st_ctime)
        is_dated = age >= 0 and status.st_mtime > 0
        yield FoundFile(Path(entry.path), guid, age if is_dated else None)
