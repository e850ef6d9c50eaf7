"""The staging folder: files of images in the making, before they get their final names.

It is one folder on the file system of the images, so that what a crash left behind is found
without listing every image.
"""

from contextlib import suppress
from pathlib import Path

from pixy_core import ContentDamagedError, StorageUnavailableError
from pixy_data.content.durable_files import make_folder, rename_durably, sync_folder
from pixy_data.content.leftovers import Leftovers
from pixy_data.content.reserved_files import ReservedFile

IMAGE_MODE = 0o640
SHELF_MODE = 0o750
"""The group may read images: nginx, if it sends them. The data folder is the user's by default."""

FOLDER = ".staging"
_SUFFIX = ".part"


class StagingFolder:
    """Files named `<guid>.part`, until they are published under their final names.

    Args:
        directory: The folder of the images, which contains this one.

    Attributes:
        leftovers: Those whose process may be gone.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory / FOLDER
        self.leftovers = Leftovers(self._directory)

    def reserve(self, guid: str, size: int) -> ReservedFile:
        """Make the file of an image that is yet to be made.

        Args:
            guid: The image's, in canonical form.
            size: Bytes to reserve.

        Raises:
            OSError: It can't be made; nothing is left.
        """
        return ReservedFile(self._directory / f"{guid}{_SUFFIX}", size, IMAGE_MODE)

    def publish(self, filename: str, target: Path) -> None:
        """Move a file to where it belongs; one that was moved before is fine.

        Args:
            filename: The final name, `<guid>.<ext>`.
            target: Its path.

        Raises:
            ContentDamagedError: It is neither here nor there.
            StorageUnavailableError: It can't be moved.
        """
        try:
            # empty since it was made, so a backup may not have it
            make_folder(target.parent, SHELF_MODE)
        except OSError as error:
            raise StorageUnavailableError from error
        # earlier versions of PixyProxy staged under the final name
        for name in (target.stem, filename):
            try:
                rename_durably(self._directory / f"{name}{_SUFFIX}", target)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StorageUnavailableError from error
            return
        if not target.is_file():
            raise ContentDamagedError
        # the process that moved it may have died before this
        with suppress(OSError):
            sync_folder(target.parent)
