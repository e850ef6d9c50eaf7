"""The content store: image files that survive a crash. Bytes are never changed or decoded."""

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
from pixy_core.images import GUID_REGEX, IMAGE_EXTENSIONS
from pixy_data.content.durable_files import DISK_RESERVE, make_folder, sync_folder
from pixy_data.content.layout import FILENAME, STAGING, locate
from pixy_data.content.marker import StoreMarker
from pixy_data.content.partial_images import PartialImageStore
from pixy_data.content.quarantine import QUARANTINE, Quarantine
from pixy_data.content.reading import ContentFile, HashCache
from pixy_data.content.reserved_files import ReservedFile
from pixy_data.content.staging import SHELF_MODE, StagingFolder

_logger = logging.getLogger(__name__)
_guid = re.compile(GUID_REGEX)
_CACHED_HASHES = 4096


class StoredContent(NamedTuple):
    """The values of an image's row that describe its file.

    Attributes:
        filename: Its name in the store.
        size: Its bytes.
        sha256: Its hash in hexadecimal.
    """

    filename: str
    size: int
    sha256: str


class ContentStore:
    """A folder of image files; see `layout`.

    Guids are in canonical form, file names are those of rows. Its methods raise
    StoreMismatchError when the folder is not the one that belongs to the database,
    StorageUnavailableError when it can't be read or written, and what the database raises.

    Args:
        directory: The folder. It is created at the first use only: if it vanishes later, a disk
            is gone.
        reserve: Bytes that stay free on its file system.
        marker: Checks that the folder belongs to the database; None: nothing is checked.

    Attributes:
        staging: The unfinished files.
        partials: The previews of images that are being made.
        quarantine: Provider responses without a usable image, in a folder next to this one.
    """

    def __init__(
        self, directory: Path, *, reserve: int = DISK_RESERVE, marker: StoreMarker | None = None
    ) -> None:
        self._directory = directory.absolute()
        self._prepared = False
        self._reserve = reserve
        self._marker = marker
        self._lock = threading.Lock()
        self._promised = 0
        self._hashes = HashCache(_CACHED_HASHES)
        self.staging = StagingFolder(self._directory)
        self.partials = PartialImageStore(self._directory / STAGING, reserve=reserve)
        # twice: responses that fill the disk up to the reserve would leave no space for an image
        self.quarantine = Quarantine(self._directory.parent / QUARANTINE, reserve=2 * reserve)

    @contextmanager
    def reserve(self, guid: str, size: int) -> Iterator[ReservedFile]:
        """Create the staging file of an image, before anything is paid for.

        Leaving the block removes the file unless it was kept.

        Args:
            guid: The image's.
            size: The most bytes that it will probably need.

        Raises:
            InvalidInputError: The guid is not in canonical form.
            StorageUnavailableError: The file can't be created or synced, or less than the reserve
                would stay free; nothing is left.
        """
        if _guid.fullmatch(guid) is None:
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

        Raises:
            InvalidInputError: The media type can't be stored.
        """
        if media_type not in IMAGE_EXTENSIONS:
            raise InvalidInputError(((("media_type",), "is none that is stored"),))
        filename = f"{guid}.{IMAGE_EXTENSIONS[media_type]}"
        return StoredContent(filename, len(content), hashlib.sha256(content).hexdigest())

    def publish(self, filename: str) -> None:
        """Move a staged file to its final place; repeating this is harmless.

        Raises:
            ContentDamagedError: It is in neither place.
        """
        self.verify()
        self.staging.publish(filename, self.locate(filename))

    def read(self, image: ImageDetail) -> bytes:
        """Return the bytes of an image file that agrees with its row.

        Args:
            image: Its row, with filename, size and sha256.

        Raises:
            ContentDamagedError: The file is missing, not a regular file, or differs from its row.
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
        self._verify()
        try:
            yield self.locate(image.filename)
        except ContentDamagedError:
            # if the volume is gone, every file is missing
            self._verify(fresh=True)
            raise
        except OSError as error:
            raise StorageUnavailableError from error

    def locate(self, filename: str) -> Path:
        """Return the absolute path of a file, whether or not it exists.

        Raises:
            ContentDamagedError: It is not the name of an image file.
        """
        if FILENAME.fullmatch(filename) is None:
            raise ContentDamagedError
        return locate(self._directory, filename)

    def delete(self, filename: str) -> None:
        """Remove a file, if it exists.

        Raises:
            ContentDamagedError: It is not the name of an image file.
        """
        path = self.locate(filename)
        try:
            path.unlink(missing_ok=True)
            # without this, the file may be back after a crash of the machine
            sync_folder(path.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageUnavailableError from error

    def check_room(self) -> None:
        """Check that the folder is the right one and that its disk has more free than the reserve.

        Raises:
            StorageUnavailableError: The folder is missing, or the disk is full.
        """
        self.confirm()
        with self._promising(0):
            pass

    def verify(self) -> None:
        """Check now that the folder belongs to the database."""
        self._verify(fresh=True)

    def confirm(self) -> None:
        """Like `verify`, and read the mark of the database again: it may have been exchanged."""
        if self._marker is not None:
            self._marker.confirm()

    @contextmanager
    def _promising(self, size: int) -> Iterator[None]:
        """Count bytes that the file system has not reserved, if there is space for them."""
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
