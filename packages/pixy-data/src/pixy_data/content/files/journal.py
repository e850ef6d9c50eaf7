"""The write-ahead journal: a file for each finished image, with all data of its row.

An entry exists from the moment its image's bytes are safe until its row is committed. Unreadable
entries are never deleted.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from pixy_core import StorageUnavailableError
from pixy_data.content.durable_files import open_folder, open_to_read
from pixy_data.content.entries import JournalEntry
from pixy_data.content.files.reserved_files import ReservedFile
from pixy_data.content.files.staging import Leftovers
from pixy_data.content.names import ENTRY
from pixy_data.content.parts import Reservation
from pixy_data.content.spooled_files import SpooledFile

_logger = logging.getLogger(__name__)
_ENTRY_SIZE = 256 * 1024
"""Bytes: the longest prompt, 32,000 characters of up to six bytes in JSON, and everything else."""


class Journal:
    """A folder of entries, `<guid>.json`. Guids are in canonical form.

    Every method raises StorageUnavailableError when the disk can't be read or written.

    Args:
        directory: The folder; it is created at the first write.

    Attributes:
        directory: The folder.
        leftovers: Entries that were not written completely.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.leftovers = Leftovers(self.directory)

    @contextmanager
    def reserve(self, guid: str) -> Iterator[ReservedFile]:
        """Create the file of an entry under a temporary name, before the provider is asked."""
        try:
            file = ReservedFile(self.directory / f"{guid}.json.part", _ENTRY_SIZE)
        except OSError as error:
            _logger.error("the journal can't be written: %s", error)  # noqa: TRY400
            raise StorageUnavailableError from error
        with file:
            yield file

    def write(self, entry: JournalEntry, file: ReservedFile) -> None:
        """Write an entry. After that the image can't be lost. Repeating this is harmless.

        Args:
            entry: The entry.
            file: From `reserve`.
        """
        try:
            file.fill(entry.model_dump_json().encode())
            file.rename(f"{entry.image.guid}.json")
        except OSError as error:
            raise StorageUnavailableError from error

    def has(self, guid: str) -> bool:
        """Return whether there is an entry, readable or not."""
        # opening both makes NFS ask its server, where `stat` may answer from a cache (nfs(5),
        # "close-to-open")
        try:
            folder = open_folder(self.directory)
            try:
                return _exists(f"{guid}.json", folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageUnavailableError from error

    def list_guids(self) -> list[str]:
        """Return the guid of each entry, readable or not."""
        try:
            names = [path.name for path in self.directory.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageUnavailableError from error
        return [match[1] for name in names if (match := ENTRY.fullmatch(name))]

    def find(self, guid: str) -> JournalEntry | None:
        """Find an entry; None if there is none or it is damaged, which is logged."""
        try:
            entry = JournalEntry.model_validate_json(_read(self._locate(guid)))
            if entry.image.guid == guid:
                return entry
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailableError from error
        except ValidationError as error:
            _logger.debug("entry %s has %d invalid values", guid, error.error_count())
        _logger.error("the journal's entry %s can't be read, and is kept", guid)
        return None

    def remove(self, guid: str) -> None:
        """Remove an entry, if there is one."""
        try:
            self._locate(guid).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailableError from error

    def _locate(self, guid: str) -> Path:
        return self.directory / f"{guid}.json"


class FileReservation(Reservation):
    """The staging file and the journal file of one image, both open."""

    def __init__(self, image: ReservedFile, entry: ReservedFile, journal: Journal) -> None:
        self._image = image
        self._entry = entry
        self._journal = journal

    def keep(self, entry: JournalEntry, content: bytes | SpooledFile) -> None:
        """Write an image and then its entry."""
        self._fill(content)
        self._journal.write(entry, self._entry)
        self._image.keep()
        self._entry.keep()

    def probe(self) -> None:
        """Write a few bytes to each file."""
        self._fill(b"probe")
        try:
            self._entry.fill(b"probe")
        except OSError as error:
            raise StorageUnavailableError from error

    def _fill(self, content: bytes | SpooledFile) -> None:
        try:
            self._image.fill(content)
        except OSError as error:
            raise StorageUnavailableError from error


def _read(path: Path) -> bytes:
    with open(path, "rb", opener=_open_nonblocking) as file:
        return file.read()


def _open_nonblocking(path: str, flags: int) -> int:
    # without O_NONBLOCK, opening a FIFO waits for its writer
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def _exists(name: str, folder: int) -> bool:
    try:
        os.close(open_to_read(name, folder))
    except FileNotFoundError:
        return False
    except OSError:
        # it may exist and be unreadable
        try:
            os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
    return True
