"""The mark that an image folder and its database share.

The folder has it in the file `.store`, the database in its secrets. Without it, a volume that is
not mounted looks like a folder whose images were all deleted.
"""

import logging
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from time import monotonic

from pixy_core import (
    ConstraintViolationError,
    PixyProxyException,
    StorageUnavailableError,
    StoreMismatchError,
)
from pixy_data.content.durable_files import open_to_read, write_durably
from pixy_data.content.layout import FILENAME, SHELF
from pixy_data.database.database import Database, run_transaction

MARKER = ".store"

_logger = logging.getLogger(__name__)
_TRUSTED = 2.0
"""Seconds for which a mark that was right is not read again."""
_MARK = re.compile(rb"[0-9a-f]{64}\n", re.ASCII)
_MAX_LENGTH = 128

_SELECT = "SELECT value FROM secrets WHERE name = 'store'"
_INSERT = "INSERT INTO secrets (name, value) VALUES ('store', :value)"
_DELETE = "DELETE FROM secrets WHERE name = 'store'"
_SELECT_ANY_IMAGE = "SELECT id FROM images LIMIT 1"


class StoreMarker:
    """Checks that an image folder and a database belong together.

    Its methods raise StoreMismatchError when they don't, StorageUnavailableError when the folder
    can't be read or written, and what the database raises.

    Args:
        database: The database.
        directory: The image folder.
    """

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory.absolute()
        self._known: str | None = None
        self._trusted_until = 0.0

    def verify(self, *, fresh: bool = False) -> None:
        """Check that they belong together; if neither has a mark, mark both.

        Args:
            fresh: Check again, even if the last check was moments ago.
        """
        if not fresh and monotonic() < self._trusted_until:
            return
        self._trusted_until = 0.0
        found = self._read()
        if found is None or found != self._known:
            self._compare(found)
        self._trusted_until = monotonic() + _TRUSTED

    def confirm(self) -> None:
        """Like `verify`, and read the mark of the database again: it may have been exchanged."""
        self._trusted_until = 0.0
        self._compare(self._read())
        self._trusted_until = monotonic() + _TRUSTED

    def get_mark(self) -> str:
        """Return the mark that both have, without marking anything.

        Raises:
            StoreMismatchError: They have none, or not the same.
        """
        known = self.find_mark()
        if known is None or self._read() != known:
            raise StoreMismatchError
        return known

    def find_mark(self) -> str | None:
        """Return the mark of the database; None if it has none."""
        row = self._database.fetch_one(_SELECT, {})
        return None if row is None else str(row[0])

    def mark_folder(self, mark: str) -> None:
        """Give a new folder the mark of the database."""
        try:
            write_durably(self._directory / MARKER, f"{mark}\n".encode())
        except OSError as error:
            raise StorageUnavailableError from error

    def accept(self) -> None:
        """Give the folder and the database a new, common mark."""
        mark = self._write_candidate()
        run_transaction(self._database, lambda: self._replace(mark))
        self.verify(fresh=True)

    def _replace(self, mark: str) -> None:
        self._database.execute(_DELETE, {})
        self._database.execute(_INSERT, {"value": mark})

    def _compare(self, found: str | None) -> None:
        self._known = self.find_mark()
        if found is None and self._known is None:
            self._mark_both()
        elif found != self._known and not self._rename_candidate():
            raise StoreMismatchError

    def _mark_both(self) -> None:
        has_rows = self._database.fetch_one(_SELECT_ANY_IMAGE, {}) is not None
        if has_rows != self._has_files():
            raise StoreMismatchError
        try:
            mark = self._write_candidate()
            try:
                self._database.execute(_INSERT, {"value": mark})
            except ConstraintViolationError:
                # another process was faster; its mark is valid
                self._candidate(mark).unlink(missing_ok=True)
            self._known = self.find_mark()
        except PixyProxyException as error:
            # no mismatch; a read-only disk can still be read
            _logger.warning("the image folder and the database can't be marked: %s", error)
            return
        if not self._rename_candidate():
            raise StoreMismatchError

    def _write_candidate(self) -> str:
        """Write a new mark to a file of its own; it is valid once the database has it.

        If the process dies between the row and the renaming, the next one renames it.
        """
        mark = secrets.token_hex(32)
        try:
            write_durably(self._candidate(mark), f"{mark}\n".encode())
        except OSError as error:
            raise StorageUnavailableError from error
        return mark

    def _rename_candidate(self) -> bool:
        if self._known is None:
            return False
        try:
            # another process may have renamed it
            with suppress(FileNotFoundError):
                self._candidate(self._known).rename(self._directory / MARKER)
        except OSError as error:
            raise StorageUnavailableError from error
        return self._read() == self._known

    def _candidate(self, mark: str) -> Path:
        return self._directory / f"{MARKER}.{mark}"

    def _read(self) -> str | None:
        try:
            descriptor = open_to_read(self._directory / MARKER)
            try:
                content = os.read(descriptor, _MAX_LENGTH)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailableError from error
        return content.decode().strip() if _MARK.fullmatch(content) else ""

    def _has_files(self) -> bool:
        try:
            return any(
                FILENAME.fullmatch(path.name)
                for shelf in self._directory.iterdir()
                if SHELF.fullmatch(shelf.name) and shelf.is_dir()
                for path in shelf.iterdir()
            )
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageUnavailableError from error
