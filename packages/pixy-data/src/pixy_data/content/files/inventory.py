"""All files of a data folder, listed and compared with their rows."""

import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path

from pixy_core import StorageUnavailableError
from pixy_data.content.durable_files import open_to_read
from pixy_data.content.files.layout import STAGING, UNFINISHED, list_shelves, locate
from pixy_data.content.interface import Inventory
from pixy_data.content.names import ENTRY, FILENAME, IMAGES, JOURNAL
from pixy_data.content.parts import FoundFile
from pixy_data.images import FileRecord
from pixy_data.keyset import PART_SIZE

_BLOCK = 1 << 20


class FileInventory(Inventory):
    """The files of one data folder.

    Args:
        directory: The image folder.
        journal: The journal's folder; it may be absent.
    """

    def __init__(self, directory: Path, journal: Path) -> None:
        self._directory = directory.absolute()
        self._journal = journal.absolute()

    def list_files(self) -> Iterator[list[FoundFile]]:
        """Yield the image files, in parts."""
        files = (file for shelf in self._list_shelves() for file in self._list(shelf, FILENAME))
        while part := list(islice(files, PART_SIZE)):
            yield part

    def list_unfinished(self) -> Iterator[FoundFile]:
        """Yield the files that do not have their final names yet."""
        for folder in (self._directory / STAGING, self._journal, *self._list_shelves()):
            yield from self._list(folder, UNFINISHED)

    def list_entries(self) -> Iterator[FoundFile]:
        """Yield the journal entries."""
        return self._list(self._journal, ENTRY)

    def compare(
        self,
        records: Iterable[FileRecord],
        *,
        deep: bool = True,  # noqa: ARG002 - files are always read
    ) -> Iterator[tuple[FileRecord, str | None]]:
        """Yield each row with `missing`, `corrupt`, or None if its file agrees."""
        for record in records:
            yield record, self.find_difference(record)

    def is_whole(self, record: FileRecord) -> bool:
        """Return whether a row's file is there, with its size and hash."""
        return self.find_difference(record) is None

    def list_absent(self, records: Iterable[FileRecord]) -> Iterator[FileRecord]:
        """Yield the rows without a file of their size; no file is read."""
        for record in records:
            try:
                status = locate(self._directory, record.filename).lstat()
            except (FileNotFoundError, NotADirectoryError):
                yield record
                continue
            except OSError as error:
                raise StorageUnavailableError from error
            if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
                yield record

    def has(self, file: FoundFile) -> bool:
        """Return whether a file is still there."""
        return self.locate(file).exists()

    def locate(self, file: FoundFile) -> Path:
        """Return the path of a file of this inventory."""
        room, _, rest = file.place.partition("/")
        return (self._directory if room == IMAGES else self._journal) / rest

    def find_difference(self, record: FileRecord) -> str | None:
        """Read the file of a row: `missing`, `corrupt`, or None if it agrees."""
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

    def _list_shelves(self) -> list[Path]:
        try:
            return list_shelves(self._directory)
        except OSError as error:
            raise StorageUnavailableError from error

    def _list(self, folder: Path, names: re.Pattern[str]) -> Iterator[FoundFile]:
        try:
            with os.scandir(folder) as entries:
                # sorted for reports; a folder holds one of 256 parts of the files
                for entry in sorted(entries, key=attrgetter("name")):
                    name = names.fullmatch(entry.name)
                    if name is not None:
                        yield from self._describe(entry, name[1])
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageUnavailableError from error

    def _describe(self, entry: os.DirEntry[str], guid: str) -> Iterator[FoundFile]:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # renamed or deleted in the meantime
            return
        if stat.S_ISREG(status.st_mode):
            age = time.time() - max(status.st_mtime, status.st_ctime)
            is_dated = age >= 0 and status.st_mtime > 0
            yield FoundFile(self._place(Path(entry.path)), guid, age if is_dated else None)

    def _place(self, path: Path) -> str:
        if path.parent == self._journal:
            return f"{JOURNAL}/{path.name}"
        return f"{IMAGES}/{path.relative_to(self._directory)}"


def _is_file_of(descriptor: int, record: FileRecord) -> bool:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size != record.size:
        return False
    digest = hashlib.sha256()
    while block := os.read(descriptor, _BLOCK):
        digest.update(block)
    return digest.hexdigest() == record.sha256
