"""Detects that the files of an open SQLite database were moved, replaced or deleted.

SQLite opens a file once and keeps it, whatever happens to its name. A new connection would then
combine the write-ahead log of one database with the pages of another:
https://www.sqlite.org/howtocorrupt.html, sections 2.2 to 2.5
"""

import logging
import os
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from pixy_core import DBConnectionError

_logger = logging.getLogger(__name__)
_TRUSTED = 1.0
"""Seconds for which reads rely on the last check, which costs more than acquiring a connection."""

_DESCRIPTORS = Path("/dev/fd")
_Inode = tuple[int, int]


class _Files(NamedTuple):
    """Device and inode of each file; None where there is no such file."""

    main: _Inode | None
    wal: _Inode | None
    shm: _Inode | None


class DatabaseFile:
    """The path of one SQLite database that this process has open."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._opened: _Files | None = None
        self._trusted_until = 0.0
        self._is_replaced = False

    def check(self, *, fresh: bool) -> None:
        """Return if the files at the path are those that are open.

        Args:
            fresh: Look now, even if the last check was a moment ago.

        Raises:
            DBConnectionError: They were moved, replaced or deleted.
        """
        if self._opened is None or (not fresh and monotonic() < self._trusted_until):
            return
        found = self._look()
        changed = {old for old, new in zip(self._opened, found, strict=True) if old != new}
        # the last connection to close removes the log, which nobody has open then
        if _are_open(changed - {None}):
            self._refuse()
        # the first write creates the log
        self._opened = found
        self._trusted_until = monotonic() + _TRUSTED
        if self._is_replaced:
            self._is_replaced = False
            _logger.warning("the database file %s is back", self._path)

    def note_opened(self) -> None:
        """Remember the files at the path once the first connection is open."""
        if self._opened is None:
            self._opened = self._look()

    def _refuse(self) -> None:
        self._trusted_until = 0.0
        if not self._is_replaced:
            self._is_replaced = True
            _logger.critical(
                "the database file %s, its -wal or its -shm was moved, replaced or deleted while "
                "it was open: nothing is read or written until it is back; to use another file, "
                "stop every process first",
                self._path,
            )
        raise DBConnectionError

    def _look(self) -> _Files:
        # SQLite puts the log next to the target of a symbolic link
        target = os.path.realpath(self._path)
        return _Files(_find(target), _find(f"{target}-wal"), _find(f"{target}-shm"))


def _find(path: str) -> _Inode | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path costs as much as the call
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DBConnectionError from error
    return status.st_dev, status.st_ino


def _are_open(inodes: set[_Inode | None]) -> bool:
    """Return whether this process has any of the files open."""
    if not inodes:
        return False
    try:
        # opening the database instead would release SQLite's locks when it is closed, fcntl(2)
        return any(_identify(int(file.name)) in inodes for file in _DESCRIPTORS.iterdir())
    except OSError:  # a system without this folder
        return True


def _identify(descriptor: int) -> _Inode | None:
    try:
        status = os.fstat(descriptor)
    except OSError:  # the listing's own descriptor, or closed meanwhile
        return None
    return status.st_dev, status.st_ino
