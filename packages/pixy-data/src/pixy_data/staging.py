"""Where bytes wait until the journal says whose they are: written, but not yet an image's file.

One folder for all of them, on the file system of the images, so that what a crash left behind is
found without listing every image.
"""

from contextlib import suppress
from pathlib import Path

from pixy_core import ContentDamagedError, StorageUnavailableError
from pixy_data.durable_files import make_folder, rename_durably, sync_folder, write_new_file
from pixy_data.leftovers import Leftovers

FOLDER = ".staging"
_SUFFIX = ".part"


class StagingFolder:
    """Files that are named `<filename>.part`, until they are published as `<filename>`.

    Args:
        directory: The folder of the images, in which this one lies.

    Attributes:
        leftovers: Those whose process may be gone.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / FOLDER
        self.leftovers = Leftovers(self._directory)

    def write(self, filename: str, content: bytes) -> None:
        """Write a file; once this returns it survives a crash.

        Args:
            filename: The name that it will have, one that no other file had or will have.
            content: All of it.

        Raises:
            StorageUnavailableError: Disk full, read-only or broken; nothing is left.
        """
        try:
            make_folder(self._directory)
            write_new_file(self._locate(filename), content)
        except OSError as error:
            raise StorageUnavailableError from error

    def publish(self, filename: str, target: Path) -> None:
        """Move a file to where it belongs; one that was moved before is fine.

        Args:
            filename: As it was given to `write`.
            target: Where it belongs.

        Raises:
            ContentDamagedError: It is neither here nor there.
            StorageUnavailableError: It can't be moved.
        """
        try:
            # empty since it was made, so a backup may not have it
            make_folder(target.parent)
        except OSError as error:
            raise StorageUnavailableError from error
        try:
            rename_durably(self._locate(filename), target)
        except FileNotFoundError as error:
            if not target.is_file():
                raise ContentDamagedError from error
            # whoever moved it may have died before this
            with suppress(OSError):
                sync_folder(target.parent)
        except OSError as error:
            raise StorageUnavailableError from error

    def discard(self, filename: str) -> None:
        """Remove a file; one that is absent is fine.

        Args:
            filename: As it was given to `write`.

        Raises:
            StorageUnavailableError: It can't be removed.
        """
        try:
            self._locate(filename).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailableError from error

    def _locate(self, filename: str) -> Path:
        return self._directory / f"{filename}{_SUFFIX}"
