"""The mark that an image folder and a database share, so that neither is mistaken for another's.

The folder has it in the file `.store`, the database among its secrets. Without it a volume that
is not mounted, or another one, looks like a folder whose images were all deleted.
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
from pixy_data.content.durable_files import write_durably
from pixy_data.database.database import Database, run_transaction

MARKER = ".store"

_logger = logging.getLogger(__name__)
_TRUSTED = 2.0
"""Seconds for which a mark that was right is not looked at again."""
_MARK = re.compile(rb"[0-9a-f]{64}\n", re.ASCII)
_LONGEST = 128
_SHELF = re.compile(r"[0-9a-f]{2}", re.ASCII)
_IMAGE = re.compile(r"[0-9a-f-]{36}\.(png|jpg|webp)", re.ASCII)

_SELECT = "SELECT value FROM secrets WHERE name = 'store'"
_INSERT = "INSERT INTO secrets (name, value) VALUES ('store', :value)"
_DELETE = "DELETE FROM secrets WHERE name = 'store'"
_SELECT_ANY_IMAGE = "SELECT id FROM images LIMIT 1"


class StoreMarker:
    """Whether one image folder and one database belong together.

    Args:
        database: Holds one half of the mark.
        directory: The image folder, which holds the other.
    """

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory.absolute()
        self._known: str | None = None
        self._trusted_until = 0.0

    def verify(self, *, fresh: bool = False) -> None:
        """Return if they belong together; two that have no mark yet are given one.

        Args:
            fresh: Look now, even if they did belong together a moment ago.

        Raises:
            StoreMismatchError: They don't.
            StorageUnavailableError: The folder can't be read.
            PixyProxyException: The database failed.
        """
        if not fresh and monotonic() < self._trusted_until:
            return
        self._trusted_until = 0.0
        found = self._read()
        if found is None or found != self._known:
            self._compare(found)
        self._trusted_until = monotonic() + _TRUSTED

    def confirm(self) -> None:
        """Like `verify`, but ask the database too: it may be another one by now.

        Raises:
            StoreMismatchError: They do not belong together.
            StorageUnavailableError: The folder can't be read.
            PixyProxyException: The database failed.
        """
        self._trusted_until = 0.0
        self._compare(self._read())
        self._trusted_until = monotonic() + _TRUSTED

    def get_mark(self) -> str:
        """Return the mark that both have; nothing is marked here.

        Raises:
            StoreMismatchError: They have none, or not the same.
            StorageUnavailableError: The folder can't be read.
            PixyProxyException: The database failed.
        """
        known = self.find_mark()
        if known is None or self._read() != known:
            raise StoreMismatchError
        return known

    def find_mark(self) -> str | None:
        """Return the mark that the database has; None when it has none.

        Raises:
            PixyProxyException: The database failed.
        """
        row = self._database.fetch_one(_SELECT, {})
        return None if row is None else str(row[0])

    def mark_folder(self, mark: str) -> None:
        """Give a new folder the mark that the database has.

        Args:
            mark: That of the database.

        Raises:
            StorageUnavailableError: The folder can't be written.
        """
        try:
            write_durably(self._directory / MARKER, f"{mark}\n".encode())
        except OSError as error:
            raise StorageUnavailableError from error

    def accept(self) -> None:
        """Mark the folder and the database as belonging together, whatever marks they had.

        Raises:
            StorageUnavailableError: The folder can't be written.
            PixyProxyException: The database failed.
        """
        mark = self._lay_out()
        run_transaction(self._database, lambda: self._replace(mark))
        self.verify(fresh=True)

    def _replace(self, mark: str) -> None:
        self._database.execute(_DELETE, {})
        self._database.execute(_INSERT, {"value": mark})

    def _compare(self, found: str | None) -> None:
        self._known = self.find_mark()
        if found is None and self._known is None:
            self._mark_both()
        elif found != self._known and not self._take_up():
            raise StoreMismatchError

    def _mark_both(self) -> None:
        has_rows = self._database.fetch_one(_SELECT_ANY_IMAGE, {}) is not None
        if has_rows != self._has_files():
            raise StoreMismatchError
        try:
            mark = self._lay_out()
            try:
                self._database.execute(_INSERT, {"value": mark})
            except ConstraintViolationError:
                # another process was faster, and its mark counts
                self._path_of(mark).unlink(missing_ok=True)
            self._known = self.find_mark()
        except PixyProxyException as error:
            # nothing speaks against them, and reading works on what can't be written to
            _logger.warning("the image folder and the database can't be marked: %s", error)
            return
        if not self._take_up():
            raise StoreMismatchError

    def _lay_out(self) -> str:
        """Put a new mark into the folder under a name of its own: it counts once a row has it.

        A process may die between the row and the name; whoever comes next takes it up.
        """
        mark = secrets.token_hex(32)
        try:
            write_durably(self._path_of(mark), f"{mark}\n".encode())
        except OSError as error:
            raise StorageUnavailableError from error
        return mark

    def _take_up(self) -> bool:
        if self._known is None:
            return False
        try:
            # a second process may have done it
            with suppress(FileNotFoundError):
                self._path_of(self._known).rename(self._directory / MARKER)
        except OSError as error:
            raise StorageUnavailableError from error
        return self._read() == self._known

    def _path_of(self, mark: str) -> Path:
        return self._directory / f"{MARKER}.{mark}"

    def _read(self) -> str | None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            descriptor = os.open(self._directory / MARKER, flags)
            try:
                content = os.read(descriptor, _LONGEST)
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
                _IMAGE.fullmatch(path.name)
                for shelf in self._directory.iterdir()
                if _SHELF.fullmatch(shelf.name) and shelf.is_dir()
                for path in shelf.iterdir()
            )
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageUnavailableError from error
