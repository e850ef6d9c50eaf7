"""Unfinished files, named `<guid>….part`, that a process left behind when it ended.

Whether one is still being written is not known here.
"""

import re
import time
from pathlib import Path
from typing import NamedTuple

from pixy_core import StorageUnavailableError

_NAME = re.compile(
    r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.[a-z0-9.]{1,40})?\.part", re.ASCII
)


class Leftover(NamedTuple):
    """A file that is not finished: whose it would be, and its name in its folder."""

    guid: str
    name: str


class Leftovers:
    """The unfinished files of one folder.

    Args:
        directory: The folder; it may be absent.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def list_older(self, seconds: float) -> list[Leftover]:
        """Return the files that have been there for a while.

        Args:
            seconds: How long, since they were last written to.

        Raises:
            StorageUnavailableError: The folder can't be read.
        """
        try:
            names = [path.name for path in self._directory.iterdir() if _NAME.fullmatch(path.name)]
            return [Leftover(name[:36], name) for name in names if self._is_older(name, seconds)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageUnavailableError from error

    def remove_older(self, name: str, seconds: float) -> bool:
        """Remove a file unless somebody has written to it since it was listed.

        Args:
            name: From `list_older`.
            seconds: As for `list_older`.

        Returns:
            Whether it was still old.

        Raises:
            StorageUnavailableError: It can't be removed.
        """
        try:
            if not self._is_older(name, seconds):
                return False
            (self._directory / name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailableError from error
        return True

    def _is_older(self, name: str, seconds: float) -> bool:
        try:
            changed = (self._directory / name).stat().st_mtime
        except FileNotFoundError:
            return False
        return time.time() - changed >= seconds
