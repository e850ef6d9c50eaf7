"""The journal: an entry holds all that an image's row is made of, without a database.

An entry exists from the moment its image's bytes are safe until its row is committed. Unreadable
entries are never deleted.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pixy_core import ImageDetail, StorageUnavailableError
from pixy_data.content.durable_files import open_folder, open_to_read
from pixy_data.content.layout import ENTRY
from pixy_data.content.reserved_files import ReservedFile
from pixy_data.content.staging import Leftovers
from pixy_data.content.store import ContentStore

_logger = logging.getLogger(__name__)
_ENTRY_SIZE = 160 * 1024
"""Bytes: the longest prompt, 32,000 characters of up to four bytes, and everything else."""


class JournalEntry(BaseModel):
    """Everything that an image's row is made of.

    Attributes:
        version: Of this format.
        image: All of its details.
        owner: Its owner.
        class_key: The owner's class at the time of the request.
        created_at: When it was made.
        idempotency_key: The key of the request, if it had one.
        fingerprint: The fingerprint of the request, if it had a key.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    image: ImageDetail
    owner: str
    class_key: str
    created_at: datetime
    idempotency_key: str | None = None
    fingerprint: str | None = None


class Journal:
    """A folder of entries, `<guid>.json`. Guids are in canonical form.

    Every method raises StorageUnavailableError when the disk can't be read or written.

    Args:
        directory: The folder; it is created at the first write.

    Attributes:
        leftovers: Entries that were never finished.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self.leftovers = Leftovers(self._directory)

    @contextmanager
    def reserve(self, guid: str) -> Iterator[ReservedFile]:
        """Create the file of an entry under a temporary name, before there is anything to write."""
        try:
            file = ReservedFile(self._directory / f"{guid}.json.part", _ENTRY_SIZE)
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
            folder = open_folder(self._directory)
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
            names = [path.name for path in self._directory.iterdir()]
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
            _logger.debug("%d of its values are wrong", error.error_count())
        _logger.error("the journal's entry %s can't be read, and is kept", guid)
        return None

    def remove(self, guid: str) -> None:
        """Remove an entry, if there is one."""
        try:
            self._locate(guid).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailableError from error

    def _locate(self, guid: str) -> Path:
        return self._directory / f"{guid}.json"


class Reservation:
    """The staging file and the journal file of one image, both open.

    Args:
        image: The staging file.
        entry: The journal file.
        journal: The journal.
    """

    def __init__(self, image: ReservedFile, entry: ReservedFile, journal: Journal) -> None:
        self._image = image
        self._entry = entry
        self._journal = journal

    def keep(self, entry: JournalEntry, content: bytes) -> None:
        """Write an image and its entry. After that the image can't be lost.

        Raises:
            StorageUnavailableError: The disk is full, read-only or broken; try again.
        """
        self._fill(content)
        self._journal.write(entry, self._entry)
        self._image.keep()
        self._entry.keep()

    def probe(self) -> None:
        """Write a few bytes to each file, to learn whether an image could be kept.

        Raises:
            StorageUnavailableError: It couldn't.
        """
        self._fill(b"probe")
        try:
            self._entry.fill(b"probe")
        except OSError as error:
            raise StorageUnavailableError from error

    def _fill(self, content: bytes) -> None:
        try:
            self._image.fill(content)
        except OSError as error:
            raise StorageUnavailableError from error


@contextmanager
def reserve_image(
    content: ContentStore, journal: Journal, guid: str, size: int
) -> Iterator[Reservation]:
    """Reserve everything on disk that an image needs; leaving the block releases what is unused.

    Args:
        content: The store of its file.
        journal: The journal of its entry.
        guid: A new one, in canonical form.
        size: The most bytes that it will probably need.

    Raises:
        InvalidInputError: The guid is not in canonical form.
        StorageUnavailableError: An image could not be kept now; nothing is left.
    """
    with content.reserve(guid, size) as image, journal.reserve(guid) as entry:
        yield Reservation(image, entry, journal)


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
