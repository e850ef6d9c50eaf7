"""Image bytes on disk, written so that they survive a crash.

Bytes are never changed or decoded here. `content_files` tells whether a file is what its row says.
"""

import hashlib
import logging
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pixy_core import ContentDamagedError, ImageDetail, InvalidInputError, StorageUnavailableError
from pixy_data.content.durable_files import make_folder, sync_folder
from pixy_data.content.hash_memory import HashMemory
from pixy_data.content.marker import StoreMarker
from pixy_data.content.partial_images import PartialImageStore
from pixy_data.content.quarantine import FOLDER as QUARANTINE
from pixy_data.content.quarantine import Quarantine
from pixy_data.content.reading import ContentFile
from pixy_data.content.reserved_files import ReservedFile
from pixy_data.content.staging import FOLDER as STAGING
from pixy_data.content.staging import SHELF_MODE, StagingFolder

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}

_logger = logging.getLogger(__name__)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
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
        self._lock = threading.Lock()
        self._promised = 0
        self._hashes = HashMemory(_REMEMBERED)
        self.staging = StagingFolder(self._directory)
        self.partials = PartialImageStore(self._directory / STAGING, reserve=reserve)
        # twice: answers that fill the disk up to the reserve would leave no room for an image
        self.quarantine = Quarantine(self._directory.parent / QUARANTINE, reserve=2 * reserve)

    @contextmanager
    def reserve(self, guid: str, size: int) -> Iterator[ReservedFile]:
        """Make the staging file of an image, and its folder, before anything is paid for.

        Leaving the block removes the file unless it was kept.

        Args:
            guid: The image's, in canonical form.
            size: Bytes that it will probably need at most.

        Raises:
            InvalidInputError: The guid is not in canonical form.
            StoreMismatchError: The folder is not the one that the rows are about.
            StorageUnavailableError: The file can't be made or synced, or less than the reserve
                would stay free; nothing is left.
            PixyProxyException: The database failed.
        """
        if _GUID.fullmatch(guid) is None:
            raise InvalidInputError(((("guid",), "is not in canonical form"),))
        self.confirm()
        try:
            self._prepare()
            make_folder(self._directory / guid[:2], SHELF_MODE)
            file = self.staging.reserve(guid, size)
        except OSError as error:
            _logger.error("no image can be stored: %s", error)  # noqa: TRY400
            raise StorageUnavailableError from error
        with file, self._promising(0 if file.is_allocated else size):
            yield file

    def describe(self, guid: str, media_type: str, content: bytes) -> StoredContent:
        """Return what the row of an image says of its file.

        Args:
            guid: The image's, in canonical form.
            media_type: `image/png`, `image/jpeg` or `image/webp`.
            content: All of the file.

        Raises:
            InvalidInputError: The media type can't be stored.
        """
        if media_type not in EXTENSIONS:
            raise InvalidInputError(((("media_type",), "is none that is stored"),))
        filename = f"{guid}.{EXTENSIONS[media_type]}"
        return StoredContent(filename, len(content), hashlib.sha256(content).hexdigest())

    def publish(self, filename: str) -> None:
        """Make staged bytes an image's file; again is fine.

        Args:
            filename: From `describe`.

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
        with self._reading(image) as path, ContentFile(path, image, self._hashes) as file:
            return file.read()

    def open(self, image: ImageDetail, first: range) -> tuple[ContentFile, bytes]:
        """Return the open file of an image and its first bytes; otherwise as `read`.

        Args:
            image: Its row, with filename, size and sha256.
            first: Which bytes to read.

        Returns:
            The file, for the caller to close, and the bytes.
        """
        with self._reading(image) as path:
            file = ContentFile(path, image, self._hashes)
            return file, file.read(first.start, first.stop) if first else b""

    @contextmanager
    def _reading(self, image: ImageDetail) -> Iterator[Path]:
        """Tell where a file is, and what it means if it can't be read."""
        self._verify()
        try:
            yield self.locate(image.filename)
        except ContentDamagedError:
            # every file is missing from a volume that is gone
            self._verify(fresh=True)
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

    def check_room(self) -> None:
        """Return if the folder is the right one and its file system has more free than the reserve.

        Raises:
            StoreMismatchError: The folder is not the one that the rows are about.
            StorageUnavailableError: The folder is missing, or there is less space.
            PixyProxyException: The database failed.
        """
        self.confirm()
        with self._promising(0):
            pass

    def verify(self) -> None:
        """Return if the folder is, at this moment, the one that the rows are about.

        Raises:
            StoreMismatchError: It isn't.
            StorageUnavailableError: It can't be read.
            PixyProxyException: The database failed.
        """
        self._verify(fresh=True)

    def confirm(self) -> None:
        """Like `verify`, but ask the database too: it may be another one by now.

        Raises:
            StoreMismatchError: The folder is not the one that the rows are about.
            StorageUnavailableError: It can't be read.
            PixyProxyException: The database failed.
        """
        if self._marker is not None:
            self._marker.confirm()

    @contextmanager
    def _promising(self, size: int) -> Iterator[None]:
        """Count bytes that the file system has not set aside, if there is room for them."""
        with self._lock:
            self._promised += size
        try:
            self._check_free()
            yield
        finally:
            with self._lock:
                self._promised -= size

    def _check_free(self) -> None:
        try:
            free = shutil.disk_usage(self._directory).free - self._promised
        except OSError as error:
            raise StorageUnavailableError from error
        if free < self._reserve:
            _logger.error("no image can be stored: less than %d bytes are free", self._reserve)
            raise StorageUnavailableError

    def _verify(self, *, fresh: bool = False) -> None:
        if self._marker is not None:
            self._marker.verify(fresh=fresh)

    def _prepare(self) -> None:
        if not self._prepared:
            self._directory.mkdir(mode=SHELF_MODE, parents=True, exist_ok=True)
            self._prepared = True
