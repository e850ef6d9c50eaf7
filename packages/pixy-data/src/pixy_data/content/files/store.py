"""The content store on files: image files that survive a crash."""

import logging
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pixy_core import ContentDamagedError, ImageDetail, StorageUnavailableError
from pixy_data.content.durable_files import (
    DISK_RESERVE,
    make_folder,
    rename_durably,
    sync_folder,
    write_durably,
)
from pixy_data.content.entries import AnswerNote, JournalEntry
from pixy_data.content.files.inventory import FileInventory
from pixy_data.content.files.journal import FileReservation, Journal
from pixy_data.content.files.layout import STAGING, locate
from pixy_data.content.files.partial_images import PartialImageFiles
from pixy_data.content.files.reading import DiskFile
from pixy_data.content.files.reserved_files import ReservedFile
from pixy_data.content.files.staging import IMAGE_MODE, SHELF_MODE, StagingFolder
from pixy_data.content.files.thumbnails import ThumbnailFiles, stamp_file
from pixy_data.content.hash_cache import HashCache
from pixy_data.content.interface import ContentStore
from pixy_data.content.local_space import LocalSpace
from pixy_data.content.marker import StoreMarker
from pixy_data.content.names import FILENAME, JOURNAL, QUARANTINE, THUMBNAILS
from pixy_data.content.parts import FoundFile, Leftover, Reservation
from pixy_data.content.quarantine import Quarantine
from pixy_data.content.spooled_files import SpooledFile
from pixy_data.images import FileRecord

_logger = logging.getLogger(__name__)


class FileStore(ContentStore):
    """A folder of image files; see `layout`. Its parent has the journal, thumbnails and quarantine.

    Args:
        directory: The folder. It is created at the first use only: if it vanishes later, a disk
            is gone.
        journal: The journal. Default: the folder `journal` in the same parent.
        reserve: Bytes that stay free on its file system.
        marker: Checks that the folder belongs to the database; None: nothing is checked.

    Attributes:
        staging: The unfinished files.
        quarantine: Provider responses without a usable image, in a folder next to this one.
    """

    def __init__(
        self,
        directory: Path,
        journal: Journal | None = None,
        *,
        reserve: int = DISK_RESERVE,
        marker: StoreMarker | None = None,
    ) -> None:
        super().__init__(marker)
        self._directory = directory.absolute()
        data = self._directory.parent
        self._prepared = False
        self._space = LocalSpace(self._directory, reserve)
        self._hashes = HashCache()
        self._journal = journal or Journal(data / JOURNAL)
        self.staging = StagingFolder(self._directory)
        self.partials = PartialImageFiles(self._directory / STAGING, reserve=reserve)
        self.thumbnails = ThumbnailFiles(data / THUMBNAILS, reserve=reserve)
        self.inventory: FileInventory = FileInventory(self._directory, self._journal.directory)
        # twice: responses that fill the disk up to the reserve would leave no space for an image
        self.quarantine = Quarantine(data / QUARANTINE, reserve=2 * reserve)

    def probe(self) -> None:
        """Create, write and remove the files of a test image."""
        guid = str(uuid.uuid4())
        with self.reserve_file(guid, 0) as image, self._journal.reserve(guid) as entry:
            FileReservation(image, entry, self._journal).probe()

    @contextmanager
    def reserve(self, guid: str, size: int) -> Iterator[Reservation]:
        """Create the staging file and the journal file of an image."""
        with self.reserve_file(guid, size) as image, self._journal.reserve(guid) as entry:
            yield FileReservation(image, entry, self._journal)

    @contextmanager
    def reserve_file(self, guid: str, size: int) -> Iterator[ReservedFile]:
        """Create the staging file of an image; otherwise as `reserve`."""
        self.check_guid(guid)
        self.confirm()
        try:
            self._prepare()
            make_folder(self._directory / guid[:2], SHELF_MODE)
            file = self.staging.reserve(guid, size)
        except OSError as error:
            _logger.error("no image can be stored: %s", error)  # noqa: TRY400
            raise StorageUnavailableError from error
        with file, self._space.promise(0 if file.is_allocated else size):
            yield file

    def spool(self, size: int | None, limit: int) -> SpooledFile:
        """Return a file without a name for an upload, on the disk of the images."""
        self.confirm()
        return self._space.spool(self._prepare_staging, size, limit)

    def find_kept(self, guid: str) -> JournalEntry | None:
        """Find an entry; None if there is none or it is damaged, which is logged."""
        return self._journal.find(guid)

    def has_kept(self, guid: str) -> bool:
        """Return whether there is an entry, readable or not."""
        return self._journal.has(guid)

    def list_kept(self) -> list[str]:
        """Return the guid of each entry, readable or not."""
        return self._journal.list_guids()

    def forget(self, guid: str) -> None:
        """Remove an entry, if there is one."""
        self._journal.remove(guid)

    def publish(self, filename: str) -> None:
        """Move a staged file to its final place; repeating this is harmless.

        Raises:
            ContentDamagedError: It is in neither place.
        """
        self.verify()
        self.staging.publish(filename, self.locate(filename))

    def open(self, image: ImageDetail, wanted: range) -> tuple[DiskFile, bytes]:
        """Return the open file of an image, and the first part of its bytes."""
        with self._reading(image) as path:
            file = DiskFile(path, image, self._hashes)
            first = wanted[: file.part_size]
            return file, file.read(first.start, first.stop) if first else b""

    @contextmanager
    def open_locally(self, image: ImageDetail) -> Iterator[DiskFile]:
        """Open the file of an image, checked by its hash."""
        with self._reading(image) as path:
            file = DiskFile(path, image, self._hashes)
        with file:
            yield file

    def read(self, image: ImageDetail | FileRecord) -> bytes:
        """Return the bytes of an image that agree with its row."""
        with self._reading(image) as path, DiskFile(path, image, self._hashes) as file:
            return file.read()

    def copy_in(self, record: FileRecord, content: bytes) -> None:
        """Write an image to the staging folder, and move it to its final place."""
        path = self.locate(record.filename)
        try:
            # a name of its own: another copy may write this image, or a creation may reserve it. A
            # crash leaves a file there that recovery removes
            staged = self._prepare_staging() / f"{record.guid}.{secrets.token_hex(4)}.part"
            with self._space.promise(len(content)):
                write_durably(staged, content, IMAGE_MODE)
            make_folder(path.parent, SHELF_MODE)
            rename_durably(staged, path)
        except OSError as error:
            _logger.error("image %s can't be stored: %s", record.guid, error)  # noqa: TRY400
            raise StorageUnavailableError from error

    @contextmanager
    def _reading(self, image: ImageDetail | FileRecord) -> Iterator[Path]:
        self.verify(fresh=False)
        try:
            yield self.locate(image.filename)
        except ContentDamagedError:
            # if the volume is gone, every file is missing
            self.verify()
            raise
        except OSError as error:
            raise StorageUnavailableError from error

    def stamp(self, image: ImageDetail) -> int | None:
        """Return the time of the last change of an image's inode; None if its file is gone."""
        return stamp_file(self.locate(image.filename))

    def has(self, image: ImageDetail) -> bool:
        """Return whether the file of an image is there."""
        return self.stamp(image) is not None

    def locate(self, filename: str) -> Path:
        """Return the absolute path of a file, whether or not it exists."""
        if FILENAME.fullmatch(filename) is None:
            raise ContentDamagedError
        return locate(self._directory, filename)

    def delete(self, filename: str) -> None:
        """Remove a file, if it exists."""
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
        """Check that the folder is the right one, and that more than the reserve is free."""
        self.confirm()
        with self._space.promise(0):
            pass

    def list_leftovers(self, seconds: float) -> list[Leftover]:
        """Return the unfinished files that were not written to for so many seconds."""
        return [
            leftover
            for folder in (self.staging.leftovers, self._journal.leftovers)
            for leftover in folder.list_older(seconds)
        ]

    def remove_leftover(self, leftover: Leftover, seconds: float) -> bool:
        """Remove an unfinished file, unless it has been written to since."""
        folders = (self.staging.leftovers, self._journal.leftovers)
        return any(folder.remove_older(leftover.name, seconds) for folder in folders)

    def drop_reservation(self, guid: str, seconds: float) -> None:
        """Do nothing: each run of recovery lists the unfinished files."""

    def keep_answer(self, note: AnswerNote, answer: bytes | bytearray) -> str:
        """Write a response to the quarantine, and return its name."""
        return self.quarantine.keep(note, answer).name

    def set_aside(self, file: FoundFile) -> str:
        """Move a file to the quarantine, and return its new place."""
        moved = self.quarantine.set_aside(self.inventory.locate(file))
        return f"{QUARANTINE}/{moved.name}"

    def _prepare_staging(self) -> Path:
        self._prepare()
        return self.staging.prepare()

    def _prepare(self) -> None:
        if not self._prepared:
            self._directory.mkdir(mode=SHELF_MODE, parents=True, exist_ok=True)
            self._prepared = True
