"""The journal: entries that hold everything needed to make an image's row, without a database.

An entry exists from the moment its image's bytes are safe until its row is committed. Nothing
here deletes an entry that can't be read.
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pixy_core import ImageDetail, StorageUnavailableError
from pixy_data.content.durable_files import open_folder
from pixy_data.content.leftovers import Leftovers
from pixy_data.content.reserved_files import ReservedFile

_logger = logging.getLogger(__name__)
_ENTRY_SIZE = 160 * 1024
"""Bytes: the longest prompt, 32,000 characters of up to four bytes, and everything else."""
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.json", re.ASCII)


class JournalEntry(BaseModel):
    """Everything to make an image's row from.

    Attributes:
        version: Of this form.
        image: All of its details.
        owner: Whose it is.
        class_key: The owner's class when it was asked for.
        created_at: When it was made.
        idempotency_key: The key of the request, if it had one.
        fingerprint: The request's, with a key.
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
    """A folder of entries, `<guid>.json`.

    Args:
        directory: The folder, made at the first use.

    Attributes:
        leftovers: Entries that were never finished.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self.leftovers = Leftovers(self._directory)

    @contextmanager
    def reserve(self, guid: str) -> Iterator[ReservedFile]:
        """Make the file of an entry, under a temporary name, before there is anything to write.

        Args:
            guid: In canonical form.

        Raises:
            StorageUnavailableError: It can't be made; nothing is left.
        """
        try:
            file = ReservedFile(self._directory / f"{guid}.json.part", _ENTRY_SIZE)
        except OSError as error:
            _logger.error("the journal can't be written: %s", error)  # noqa: TRY400
            raise StorageUnavailableError from error
        with file:
            yield file

    def write(self, entry: JournalEntry, file: ReservedFile) -> None:
        """Write an entry; once this returns the image can't be lost any more. Again is fine.

        Args:
            entry: What its row is to say.
            file: From `reserve`.

        Raises:
            StorageUnavailableError: Disk full, read-only or broken.
        """
        try:
            file.fill(entry.model_dump_json().encode())
            file.rename(f"{entry.image.guid}.json")
        except OSError as error:
            raise StorageUnavailableError from error

    def has(self, guid: str) -> bool:
        """Tell whether there is an entry, legible or not.

        Args:
            guid: In canonical form.

        Raises:
            StorageUnavailableError: The disk doesn't tell.
        """
        # opening both makes NFS ask its server, where `stat` may answer from a cache (nfs(5),
        # "close-to-open")
        try:
            folder = open_folder(self._directory)
            try:
                return _is_there(f"{guid}.json", folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageUnavailableError from error

    def list_guids(self) -> list[str]:
        """Return the guid of each entry, legible or not.

        Raises:
            StorageUnavailableError: The folder can't be read.
        """
        try:
            names = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageUnavailableError from error
        return [match[1] for name in names if (match := _NAME.fullmatch(name))]

    def find(self, guid: str) -> JournalEntry | None:
        """Read an entry.

        Args:
            guid: In canonical form.

        Returns:
            The entry; None when it is gone, or can't be read, which is logged.

        Raises:
            StorageUnavailableError: The disk can't be read.
        """
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
        """Remove an entry; one that is absent is fine.

        Args:
            guid: In canonical form.

        Raises:
            StorageUnavailableError: It can't be removed.
        """
        try:
            self._locate(guid).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailableError from error

    def _locate(self, guid: str) -> Path:
        return self._directory / f"{guid}.json"


def _read(path: Path) -> bytes:
    with open(path, "rb", opener=_open_at_once) as file:
        return file.read()


def _open_at_once(path: str, flags: int) -> int:
    # without O_NONBLOCK opening a FIFO waits for its writer
    return os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)


def _is_there(name: str, folder: int) -> bool:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        os.close(os.open(name, flags, dir_fd=folder))
    except FileNotFoundError:
        return False
    except OSError:
        # it may be there and not be readable
        try:
            os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
    return True
