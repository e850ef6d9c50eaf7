"""The mark that a content store and its database share.

The store has it in the file or object `.store`, the database in its secrets. Without it, a volume
that is not mounted looks like a folder whose images were all deleted.
"""

import logging
import re
import secrets
from abc import ABC, abstractmethod
from time import monotonic

from pixy_core import ConstraintViolationError, PixyProxyException, StoreMismatchError
from pixy_data.database.database import Database, run_transaction
from pixy_data.images import ImageRepository

MARKER = ".store"

_logger = logging.getLogger(__name__)
_TRUSTED = 2.0
"""Seconds for which a mark that was right is not read again."""
_MARK = re.compile(rb"[0-9a-f]{64}\n", re.ASCII)

_SELECT = "SELECT value FROM secrets WHERE name = 'store'"
_INSERT = "INSERT INTO secrets (name, value) VALUES ('store', :value)"
_DELETE = "DELETE FROM secrets WHERE name = 'store'"


class MarkPlace(ABC):
    """Where a store keeps its mark: `.store`, and candidates for it, `.store.<mark>`.

    Its methods raise StorageUnavailableError when the store can't be read or written.
    """

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """Return the start of a file, 128 bytes at least; None if there is none."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Create or replace a file durably."""

    @abstractmethod
    def rename(self, name: str, new: str) -> None:
        """Rename a file, if it is there."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    @abstractmethod
    def has_images(self) -> bool:
        """Return whether the store has an image."""


class StoreMarker:
    """Checks that a content store and a database belong together.

    Its methods raise StoreMismatchError when they don't, StorageUnavailableError when the store
    can't be read or written, and what the database raises.
    """

    def __init__(self, database: Database, place: MarkPlace) -> None:
        self._database = database
        self._images = ImageRepository(database)
        self._place = place
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

    def find_store_mark(self) -> str | None:
        """Return the mark of the store, empty if it is not legible; None if it has none."""
        return self._read()

    def mark_store(self, mark: str) -> None:
        """Give a new store the mark of the database."""
        self._place.write(MARKER, f"{mark}\n".encode())

    def accept(self) -> None:
        """Give the store and the database a new, common mark."""
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
        has_rows = self._images.has_images()
        if has_rows != self._place.has_images():
            raise StoreMismatchError
        try:
            mark = self._write_candidate()
            try:
                self._database.execute(_INSERT, {"value": mark})
            except ConstraintViolationError:
                # another process was faster; its mark is valid
                self._place.remove(_candidate(mark))
            self._known = self.find_mark()
        except PixyProxyException as error:
            # no mismatch; a read-only disk can still be read
            _logger.warning("the content store and the database can't be marked: %s", error)
            return
        if not self._rename_candidate():
            raise StoreMismatchError

    def _write_candidate(self) -> str:
        """Write a new mark to a file of its own; it is valid once the database has it.

        If the process dies between the row and the renaming, the next one renames it.
        """
        mark = secrets.token_hex(32)
        self._place.write(_candidate(mark), f"{mark}\n".encode())
        return mark

    def _rename_candidate(self) -> bool:
        if self._known is None:
            return False
        # another process may have renamed it
        self._place.rename(_candidate(self._known), MARKER)
        return self._read() == self._known

    def _read(self) -> str | None:
        content = self._place.read(MARKER)
        if content is None:
            return None
        return content.decode().strip() if _MARK.fullmatch(content) else ""


def _candidate(mark: str) -> str:
    return f"{MARKER}.{mark}"
