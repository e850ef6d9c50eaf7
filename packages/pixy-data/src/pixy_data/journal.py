"""The journal: what has to become a row, written before it can, and legible without a database.

An entry is there from the moment its image's bytes are safe until its row is. Nothing here
deletes an entry that can't be read.
"""

import logging
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pixy_core import ImageDetail, StorageUnavailableError
from pixy_data.durable_files import make_folder, write_durably
from pixy_data.leftovers import Leftovers

_logger = logging.getLogger(__name__)
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.json", re.ASCII)


class JournalEntry(BaseModel):
    """Everything to make an image's row from.

    Attributes:
        version: Of this form.
        image: All of its details.
        owner: Whose it is.
        class_key: The owner's class when it was asked for.
        created_at: When it was made.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    image: ImageDetail
    owner: str
    class_key: str
    created_at: datetime


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

    def write(self, entry: JournalEntry) -> None:
        """Write an entry; once this returns the image can't be lost any more.

        Args:
            entry: What its row is to say.

        Raises:
            StorageUnavailableError: Disk full, read-only or broken; nothing is left.
        """
        try:
            write_durably(self._locate(entry.image.guid), entry.model_dump_json().encode())
        except OSError as error:
            raise StorageUnavailableError from error

    def has(self, guid: str) -> bool:
        """Tell whether there is an entry, legible or not.

        Args:
            guid: In canonical form.

        Raises:
            StorageUnavailableError: The disk doesn't tell.
        """
        # Path.exists takes some errors for an absence (all, since Python 3.14)
        try:
            self._locate(guid).lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageUnavailableError from error
        return True

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
            entry = JournalEntry.model_validate_json(self._locate(guid).read_bytes())
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

    def check_writable(self) -> None:
        """Ask whether an entry could be written now.

        Raises:
            StorageUnavailableError: It couldn't.
        """
        try:
            make_folder(self._directory)
        except OSError as error:
            raise StorageUnavailableError from error
        if not os.access(self._directory, os.W_OK | os.X_OK):
            raise StorageUnavailableError

    def _locate(self, guid: str) -> Path:
        return self._directory / f"{guid}.json"
