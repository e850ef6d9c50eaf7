"""What a content store gives and takes: names, found files, open files, reservations."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

from pixy_data.content.entries import JournalEntry
from pixy_data.content.spooled_files import SpooledFile


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


class Leftover(NamedTuple):
    """Something unfinished: the guid of its image, and its own name."""

    guid: str
    name: str


class FoundFile(NamedTuple):
    """A file or object with a name that PixyProxy gives.

    Attributes:
        place: Its path in the data folder or in the bucket.
        guid: The image's.
        age: Seconds since it changed; None if its times are not credible.
    """

    place: str
    guid: str
    age: float | None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.place.rpartition("/")[2]


@dataclass(frozen=True)
class PartialImage:
    """A preview of an image that is being made."""

    content: bytes = field(repr=False)
    media_type: str


class ThumbnailName(NamedTuple):
    """Identifies a thumbnail.

    Attributes:
        guid: The image's.
        width: Pixels.
        media_type: Its format.
        version: Of the code that makes it. Thumbnails of other versions are not found.
    """

    guid: str
    width: int
    media_type: str
    version: int


class LocalFile(Protocol):
    """An open file on this machine with the bytes of an image."""

    def fileno(self) -> int:
        """Return its descriptor."""

    def read(self) -> bytes:
        """Return all of its bytes."""


class ContentFile(ABC):
    """An open image file that agrees with its row.

    It can still be read when the image is deleted meanwhile, unless it is an object.

    Attributes:
        size: Its bytes.
        part_size: Bytes that are best read at once.
    """

    size: int
    part_size: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def read(self, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return the bytes from `start` to before `stop`; None: to the end.

        Raises:
            ContentDamagedError: It has changed since it was opened, or is gone.
            OSError: The disk can't be read.
            StorageUnavailableError: The object storage does not answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Close it; repeating this is harmless."""


class Reservation(ABC):
    """Room for one image and its journal entry."""

    @abstractmethod
    def keep(self, entry: JournalEntry, content: bytes | SpooledFile) -> None:
        """Write an image and its entry. After that the image can't be lost.

        Raises:
            StorageUnavailableError: They can't be written now; try again.
        """
