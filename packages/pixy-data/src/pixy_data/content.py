"""Image bytes on disk: written so that they survive a crash, and found where they were put.

Bytes are never changed, decoded or described here; what a file ought to be is in its row, and
whether it is stands in `content_files`.
"""

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pixy_core import ContentDamagedError, ImageDetail, InvalidInputError, StorageUnavailableError
from pixy_data.content_files import ContentFile, PageLoader
from pixy_data.durable_files import make_folder, sync_folder
from pixy_data.hash_memory import HashMemory
from pixy_data.partial_images import PartialImageStore
from pixy_data.quarantine import FOLDER as QUARANTINE
from pixy_data.quarantine import Quarantine
from pixy_data.staging import FOLDER as STAGING
from pixy_data.staging import StagingFolder
from pixy_data.store_marker import StoreMarker

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

_logger = logging.getLogger(__name__)
_FILENAME = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.(png|jpg|webp)", re.ASCII)
_RESERVE = 256 * 1024 * 1024
_REMEMBERED = 4096


class StoredContent(NamedTuple):
    """What was written: the file's name in the store, its bytes, their hash in hexadecimal."""

    filename: str
    size: int
    sha256: str


class ContentStore:
    """A folder of image files, `<aa>/<guid>.<ext>`, where aa begins the guid.

    Args:
        directory: The folder. It is made at the first use, and not again: one that vanishes
            later is a disk that is gone.
        reserve: Bytes that stay free on its file system.
        marker: Tells whether the folder is the one that the rows are about.

    Attributes:
        staging: The files that are not an image's yet.
        partials: What can be seen of images in the making.
        quarantine: What was paid for and is no image, beside the folder.
    """

    def __init__(
        self, directory: Path, *, reserve: int = _RESERVE, marker: StoreMarker | None = None
    ) -> None:
        self._directory = directory.absolute()
        self._prepared = False
        self._reserve = reserve
        self._marker = marker
        self._hashes = HashMemory(_REMEMBERED)
        self._loader = PageLoader()
        self.staging = StagingFolder(self._directory)
        self.partials = PartialImageStore(self._directory / STAGING, reserve=reserve)
        self.quarantine = Quarantine(self._directory.parent / QUARANTINE, reserve=reserve)

    def stage(self, guid: str, media_type: str, content: bytes) -> StoredContent:
        """Write the bytes of an image, without making them its file yet.

        Args:
            guid: The image's, in canonical form.
            media_type: `image/png`, `image/jpeg` or `image/webp`.
            content: The bytes, kept as they are.

        Returns:
            What the row will have to say of the file.

        Raises:
            InvalidInputError: The guid or the media type can't be stored.
            StorageUnavailableError: Disk full, read-only or broken; no file is left.
        """
        if media_type not in EXTENSIONS:
            raise InvalidInputError(((("media_type",), "is none that is stored"),))
        filename = f"{guid}.{EXTENSIONS[media_type]}"
        if _FILENAME.fullmatch(filename) is None:
            raise InvalidInputError(((("guid",), "is not in canonical form"),))
        try:
            self._prepare()
            # the disk may be full now, and must not be later
            make_folder(self.locate(filename).parent)
        except OSError as error:
            raise StorageUnavailableError from error
        self.staging.write(filename, content)
        return StoredContent(filename, len(content), hashlib.sha256(content).hexdigest())

    def publish(self, filename: str) -> None:
        """Make staged bytes an image's file; again is fine.

        Args:
            filename: From `stage`.

        Raises:
            ContentDamagedError: They are not there any more.
            StoreMismatchError: The folder is not the one that the rows are about.
            StorageUnavailableError: They can't be moved.
            PixyProxyException: The database failed.
        """
        self.verify()
        self.staging.publish(filename, self.locate(filename))

    def read(self, image: ImageDetail) -> bytes:
        """Return the bytes of an image, if they are those that were stored.

        Args:
            image: Its row, with filename, size and sha256.

        Returns:
            The whole file.

        Raises:
            ContentDamagedError: The file is missing, no regular file, or differs from its row.
            StoreMismatchError: The folder is not the one that the rows are about.
            StorageUnavailableError: It can't be read for another reason.
        """
        with (
            self._reading(image) as path,
            ContentFile(path, image, self._hashes, self._loader) as file,
        ):
            return file.read()

    def open(self, image: ImageDetail, first: range) -> ContentFile:
        """Return the file of an image, if it is what was stored; otherwise as `read`.

        Args:
            image: Its row, with filename, size and sha256.
            first: The bytes that will be wanted first, and are loaded.

        Returns:
            The file, for the caller to close.
        """
        with self._reading(image) as path:
            file = ContentFile(path, image, self._hashes, self._loader)
            file.load(first.start, len(first))
            return file

    @contextmanager
    def _reading(self, image: ImageDetail) -> Iterator[Path]:
        """Tell where a file is, and what it means if it can't be read."""
        self._verify()
        try:
            yield self.locate(image.filename)
        except ContentDamagedError:
            # every file is missing from a volume that is gone
            self._verify(fresh=True)
            # the traceback is for whoever handles the exception
            _logger.error("the file of image %s is missing or damaged", image.guid)  # noqa: TRY400
            raise
        except OSError as error:
            raise StorageUnavailableError from error

    def locate(self, filename: str) -> Path:
        """Return where a file is or would be.

        Args:
            filename: From a row.

        Returns:
            An absolute path inside the store.

        Raises:
            ContentDamagedError: The name is none that this store gives.
        """
        if _FILENAME.fullmatch(filename) is None:
            raise ContentDamagedError
        return self._directory / filename[:2] / filename

    def delete(self, filename: str) -> None:
        """Remove a file; one that is absent is fine.

        Args:
            filename: From a row.

        Raises:
            ContentDamagedError: The name is none that this store gives.
            StorageUnavailableError: It can't be removed.
        """
        path = self.locate(filename)
        try:
            path.unlink(missing_ok=True)
            # else the file may be back after a crash of the machine
            sync_folder(path.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageUnavailableError from error

    def check_writable(self) -> None:
        """Ask whether an image could be stored now.

        Raises:
            StoreMismatchError: The folder is not the one that the rows are about.
            StorageUnavailableError: The folder is missing or read-only, or its file system has
                less free than the reserve.
            PixyProxyException: The database failed.
        """
        self.verify()
        try:
            self._prepare()
            free = shutil.disk_usage(self._directory).free
        except OSError as error:
            raise StorageUnavailableError from error
        if free < self._reserve or not os.access(self._directory, os.W_OK | os.X_OK):
            raise StorageUnavailableError

    def verify(self) -> None:
        """Return if the folder is, at this moment, the one that the rows are about.

        Raises:
            StoreMismatchError: It isn't.
            StorageUnavailableError: It can't be read.
            PixyProxyException: The database failed.
        """
        self._verify(fresh=True)

    def _verify(self, *, fresh: bool = False) -> None:
        if self._marker is not None:
            self._marker.verify(fresh=fresh)

    def _prepare(self) -> None:
        if not self._prepared:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._prepared = True
