"""The staging folder: unfinished image files, before they get their final names.

It is one folder on the images' file system, so that leftovers of a crash are found without listing
all image folders.
"""

import time
from contextlib import suppress
from pathlib import Path

from pixy_core import ContentDamagedError, StorageUnavailableError
from pixy_data.content.durable_files import make_folder, rename_durably, sync_folder
from pixy_data.content.files.layout import STAGING, UNFINISHED
from pixy_data.content.files.reserved_files import ReservedFile
from pixy_data.content.parts import Leftover

IMAGE_MODE = 0o640
SHELF_MODE = 0o750
"""The group may read images: nginx, if it sends them. The data folder itself is 0700 by default."""


class Leftovers:
    """The unfinished files of one folder. Some may still be written to.

    Args:
        directory: The folder; it may be absent.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def list_older(self, seconds: float) -> list[Leftover]:
        """Return the files that were not written to for this many seconds.

        Raises:
            StorageUnavailableError: The folder can't be read.
        """
        try:
            found = [UNFINISHED.fullmatch(path.name) for path in self._directory.iterdir()]
            return [
                Leftover(name[1], name[0])
                for name in found
                if name is not None and self._is_older(name[0], seconds)
            ]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageUnavailableError from error

    def remove_older(self, name: str, seconds: float) -> bool:
        """Remove a file of `list_older`, unless it has been written to since.

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


class StagingFolder:
    """Files named `<guid>.part`, until they are published under their final names.

    Args:
        directory: The image folder, which contains this one.

    Attributes:
        leftovers: The files of creates that may have crashed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / STAGING
        self.leftovers = Leftovers(self._directory)

    def reserve(self, guid: str, size: int) -> ReservedFile:
        """Create the file of an image that is about to be made.

        Raises:
            OSError: It can't be created; nothing is left.
        """
        return ReservedFile(self._directory / f"{guid}.part", size, IMAGE_MODE)

    def prepare(self) -> Path:
        """Return the folder, created if it is missing.

        Raises:
            OSError: It can't be created.
        """
        make_folder(self._directory)
        return self._directory

    def publish(self, filename: str, target: Path) -> None:
        """Move a file to its final place; repeating this is harmless.

        Args:
            filename: The final name, `<guid>.<extension>`.
            target: The final path.

        Raises:
            ContentDamagedError: The file is neither staged nor published.
            StorageUnavailableError: It can't be moved.
        """
        try:
            # it may be missing: a backup leaves out empty folders
            make_folder(target.parent)
        except OSError as error:
            raise StorageUnavailableError from error
        # earlier versions of PixyProxy staged under the final name
        for name in (target.stem, filename):
            try:
                rename_durably(self._directory / f"{name}.part", target)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StorageUnavailableError from error
            return
        if not target.is_file():
            raise ContentDamagedError
        # the process that renamed it may have crashed before it synced the folder
        with suppress(OSError):
            sync_folder(target.parent)
