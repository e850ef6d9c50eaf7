"""Files that were being written when their process ended: `<guid>….part`, found by their folder.

Whether one is still being written is not known here.
"""

import re
import time
from pathlib import Path
from typing import NamedTuple

from pixy_core import StorageUnavailableError

_NAME = re.compile(
    r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[a-z0-9.]{1,40}\.part", re.ASCII
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
            found = [path for path in self._directory.iterdir() if _NAME.fullmatch(path.name)]
            old = [path for path in found if time.time() - path.stat().st_mtime >= seconds]
        except FileNotFoundError:
            # the folder is absent, or a file was finished meanwhile: the rest is for next time
            return []
        except OSError as error:
            raise StorageUnavailableError from error
        return [Leftover(path.name[:36], path.name) for path in old]

    def remove(self, name: str) -> None:
        """Remove one; one that is absent is fine.

        Args:
            name: From `list_older`.

        Raises:
            StorageUnavailableError: It can't be removed.
        """
        try:
            (self._directory / name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailableError from error
