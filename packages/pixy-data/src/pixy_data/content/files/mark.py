"""The mark of an image folder."""

import os
from contextlib import suppress
from pathlib import Path

from pixy_core import StorageUnavailableError
from pixy_data.content.durable_files import open_to_read, write_durably
from pixy_data.content.files.layout import list_shelves
from pixy_data.content.marker import MarkPlace
from pixy_data.content.names import FILENAME

_MAX_LENGTH = 128


class FolderMark(MarkPlace):
    """The mark in an image folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()

    def read(self, name: str) -> bytes | None:
        """Return the first 128 bytes of a file; None if there is none."""
        try:
            descriptor = open_to_read(self._directory / name)
            try:
                return os.read(descriptor, _MAX_LENGTH)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailableError from error

    def write(self, name: str, content: bytes) -> None:
        """Create or replace a file durably."""
        try:
            write_durably(self._directory / name, content)
        except OSError as error:
            raise StorageUnavailableError from error

    def rename(self, name: str, new: str) -> None:
        """Rename a file, if it is there."""
        try:
            with suppress(FileNotFoundError):
                (self._directory / name).rename(self._directory / new)
        except OSError as error:
            raise StorageUnavailableError from error

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            (self._directory / name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailableError from error

    def has_images(self) -> bool:
        """Return whether the folder has an image."""
        try:
            return any(
                FILENAME.fullmatch(path.name)
                for shelf in list_shelves(self._directory)
                for path in shelf.iterdir()
            )
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageUnavailableError from error
