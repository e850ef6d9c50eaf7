"""The content store: the bytes of images, what belongs to them, and images that have no row yet.

Two stores implement it: folders of files, and objects in a bucket. Bytes are never changed or
decoded. Guids are in canonical form, file names are those of rows.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from pixy_core import ImageDetail, InvalidInputError
from pixy_core.images import GUID_REGEX, IMAGE_EXTENSIONS
from pixy_data.content.entries import AnswerNote, JournalEntry
from pixy_data.content.marker import StoreMarker
from pixy_data.content.parts import (
    ContentFile,
    FoundFile,
    Leftover,
    LocalFile,
    PartialImage,
    Reservation,
    StoredContent,
    ThumbnailName,
)
from pixy_data.content.spooled_files import SpooledFile
from pixy_data.images import FileRecord

_guid = re.compile(GUID_REGEX)


class PartialImageStore(ABC):
    """The latest preview of each image that is being made. Never durable; errors are logged."""

    @abstractmethod
    def write(self, guid: str, picture: PartialImage) -> None:
        """Replace an image's preview atomically, if there is space."""

    @abstractmethod
    def find(self, guid: str) -> PartialImage | None:
        """Return an image's preview; None if there is none or it can't be read."""

    @abstractmethod
    def has(self, guid: str) -> bool:
        """Return whether an image has a preview."""

    @abstractmethod
    def delete(self, guid: str) -> None:
        """Remove an image's preview; if that fails, recovery tries again."""


class ThumbnailStore(ABC):
    """A cache of thumbnails, which may be deleted at any time.

    A stamp, from `ContentStore.stamp`, tells whether the original has changed.
    """

    @abstractmethod
    def find(self, name: ThumbnailName, stamp: int) -> bytes | None:
        """Return a thumbnail if its original has not changed; None if there is none."""

    @abstractmethod
    def renew(self, name: ThumbnailName, stamp: int) -> bytes | None:
        """Return a thumbnail of an original that proved to be undamaged, and update its stamp.

        Args:
            name: The thumbnail.
            stamp: Taken before the original was checked.
        """

    @abstractmethod
    def write(self, name: ThumbnailName, content: bytes, stamp: int) -> None:
        """Write a thumbnail, if there is space. An error is only logged.

        Args:
            name: The thumbnail.
            content: Its bytes.
            stamp: Taken before the original was read.
        """

    @abstractmethod
    def delete(self, guid: str) -> None:
        """Remove every thumbnail of an image.

        Raises:
            OSError: One can't be removed.
            StorageUnavailableError: The object storage does not answer.
        """


class Inventory(ABC):
    """Everything in a store, read in parts of bounded size.

    Its methods raise StorageUnavailableError when the store can't be read.
    """

    @abstractmethod
    def list_files(self) -> Iterator[list[FoundFile]]:
        """Yield the images in the order of their names, in parts of PART_SIZE at most."""

    @abstractmethod
    def list_unfinished(self) -> Iterator[FoundFile]:
        """Yield what does not have its final name yet."""

    @abstractmethod
    def list_entries(self) -> Iterator[FoundFile]:
        """Yield the journal entries."""

    @abstractmethod
    def compare(
        self, records: Iterable[FileRecord], *, deep: bool
    ) -> Iterator[tuple[FileRecord, str | None]]:
        """Yield each row with `missing`, `corrupt`, or None if its file agrees.

        Args:
            records: Rows in the order of their guids.
            deep: Whether to read and hash every file, where that is not free.
        """

    @abstractmethod
    def find_difference(self, record: FileRecord) -> str | None:
        """Read the file of a row: `missing`, `corrupt`, or None if it agrees."""

    @abstractmethod
    def is_whole(self, record: FileRecord) -> bool:
        """Return whether a row's file is there, with its size and hash.

        Where reading is not free, the hash that was kept with the file counts.
        """

    @abstractmethod
    def list_absent(self, records: Iterable[FileRecord]) -> Iterator[FileRecord]:
        """Yield the rows without a file of their size; no file is read.

        Args:
            records: Rows in the order of their guids.
        """

    @abstractmethod
    def has(self, file: FoundFile) -> bool:
        """Return whether a file is still there."""


class ContentStore(ABC):
    """The content store of one installation.

    Its methods raise StoreMismatchError when it is not the one that belongs to the database,
    StorageUnavailableError when it can't be read or written, and what the database raises.

    Args:
        marker: Checks that the store belongs to the database; None: nothing is checked.

    Attributes:
        listing_pause: Seconds between two listings of the journal by recovery.
        partials: The previews of images that are being made.
        thumbnails: The thumbnails.
        inventory: Everything in the store.
    """

    listing_pause = 0.0
    partials: PartialImageStore
    thumbnails: ThumbnailStore
    inventory: Inventory

    def __init__(self, marker: StoreMarker | None) -> None:
        self._marker = marker

    def verify(self, *, fresh: bool = True) -> None:
        """Check that the store belongs to the database.

        Args:
            fresh: Check now, even if the last check was moments ago.
        """
        if self._marker is not None:
            self._marker.verify(fresh=fresh)

    def confirm(self) -> None:
        """Like `verify`, and read the mark of the database again: it may have been exchanged."""
        if self._marker is not None:
            self._marker.confirm()

    def accept(self) -> None:
        """Mark the store and the database as belonging together, whatever their marks."""
        if self._marker is not None:
            self._marker.accept()

    def describe(self, guid: str, media_type: str, content: bytes | SpooledFile) -> StoredContent:
        """Return what the row of an image says of its file.

        Raises:
            InvalidInputError: The media type can't be stored.
        """
        if media_type not in IMAGE_EXTENSIONS:
            raise InvalidInputError(((("media_type",), "is none that is stored"),))
        filename = f"{guid}.{IMAGE_EXTENSIONS[media_type]}"
        if isinstance(content, SpooledFile):
            return StoredContent(filename, content.size, content.sha256)
        return StoredContent(filename, len(content), hashlib.sha256(content).hexdigest())

    def check_guid(self, guid: str) -> None:
        """Return if a guid is in canonical form: it becomes a part of paths and keys.

        Raises:
            InvalidInputError: It is not.
        """
        if _guid.fullmatch(guid) is None:
            raise InvalidInputError(((("guid",), "is not in canonical form"),))

    @abstractmethod
    def read(self, image: ImageDetail | FileRecord) -> bytes:
        """Return the bytes of an image that agree with its row.

        Args:
            image: Its row, with filename, size and sha256.

        Raises:
            ContentDamagedError: They are missing or differ from the row.
        """

    @abstractmethod
    def copy_in(self, record: FileRecord, content: bytes) -> None:
        """Write the bytes of an image that has its row already, durably and without an entry.

        What has its name is replaced.

        Args:
            record: Its row.
            content: Bytes that agree with it.

        Raises:
            ContentDamagedError: Its name is not that of an image file.
        """

    @abstractmethod
    def check_room(self) -> None:
        """Check that the store is the right one and has room.

        Raises:
            StorageUnavailableError: It has not, or does not answer.
        """

    @abstractmethod
    def probe(self) -> None:
        """Write a few bytes, to learn whether an image could be kept.

        Raises:
            StorageUnavailableError: It couldn't.
        """

    @abstractmethod
    def reserve(self, guid: str, size: int) -> AbstractContextManager[Reservation]:
        """Reserve what an image needs, before anything is paid for.

        Leaving the block releases it, unless an image was kept.

        Args:
            guid: A new one.
            size: The most bytes that it will probably need.

        Raises:
            InvalidInputError: The guid is not in canonical form.
            StorageUnavailableError: An image could not be kept now; nothing is left.
        """

    @abstractmethod
    def spool(self, size: int | None, limit: int) -> SpooledFile:
        """Return a file without a name for an upload, on a disk of this machine.

        Args:
            size: The bytes that were announced; None if none were. They are reserved.
            limit: The most bytes that it may have.

        Raises:
            StorageUnavailableError: It can't be created, or less than the reserve would stay free.
        """

    @abstractmethod
    def find_kept(self, guid: str) -> JournalEntry | None:
        """Find an entry; None if there is none or it is damaged, which is logged."""

    @abstractmethod
    def has_kept(self, guid: str) -> bool:
        """Return whether an image was kept and has not become a row; its entry may be damaged."""

    @abstractmethod
    def list_kept(self) -> list[str]:
        """Return the guid of each entry, readable or not."""

    @abstractmethod
    def forget(self, guid: str) -> None:
        """Remove an entry, if there is one."""

    @abstractmethod
    def publish(self, filename: str) -> None:
        """Give the file of an entry its final name; repeating this is harmless.

        Raises:
            ContentDamagedError: It is not there.
        """

    @abstractmethod
    def open(self, image: ImageDetail, wanted: range) -> tuple[ContentFile, bytes | memoryview]:
        """Return the open file of an image, and the first part of its bytes.

        Args:
            image: Its row, with filename, size and sha256.
            wanted: Which bytes the caller will read.

        Returns:
            The file, for the caller to close, and the first `part_size` of the wanted bytes.

        Raises:
            ContentDamagedError: It is missing or differs from its row.
        """

    @abstractmethod
    def open_locally(self, image: ImageDetail) -> AbstractContextManager[LocalFile]:
        """Open a file on this machine that has the bytes of an image, checked by their hash.

        Raises:
            ContentDamagedError: They are missing or differ from the row.
        """

    @abstractmethod
    def stamp(self, image: ImageDetail) -> int | None:
        """Return a number that changes when the file of an image does; None: there is none."""

    @abstractmethod
    def has(self, image: ImageDetail) -> bool:
        """Return whether the file of an image is there."""

    @abstractmethod
    def locate(self, filename: str) -> Path:
        """Return the absolute path of a file, whether or not it exists.

        Raises:
            ContentDamagedError: It is not the name of an image file.
            NoLocalFileError: The store has no files.
        """

    @abstractmethod
    def delete(self, filename: str) -> None:
        """Remove a file, if it exists.

        Raises:
            ContentDamagedError: It is not the name of an image file.
        """

    @abstractmethod
    def list_leftovers(self, seconds: float) -> list[Leftover]:
        """Return what is unfinished and has not changed for so many seconds."""

    @abstractmethod
    def remove_leftover(self, leftover: Leftover, seconds: float) -> bool:
        """Remove a leftover, unless it has changed since.

        Returns:
            Whether it was still that old.
        """

    @abstractmethod
    def drop_reservation(self, guid: str, seconds: float) -> None:
        """Remove what a dead process has reserved, where listings are too rare to find it."""

    @abstractmethod
    def keep_answer(self, note: AnswerNote, answer: bytes | bytearray) -> str:
        """Keep a provider's response without an image for an operator, and return its name.

        Raises:
            StorageUnavailableError: There is no room for it.
        """

    @abstractmethod
    def set_aside(self, file: FoundFile) -> str:
        """Move a file out of the way for an operator, and return its new place.

        Raises:
            StorageUnavailableError: It can't be moved, and is still there.
        """
