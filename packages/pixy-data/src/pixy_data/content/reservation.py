"""Room for one image on disk, reserved before the provider is asked: its file and its entry."""

from collections.abc import Iterator
from contextlib import contextmanager

from pixy_core import StorageUnavailableError
from pixy_data.content.journal import Journal, JournalEntry
from pixy_data.content.reserved_files import ReservedFile
from pixy_data.content.store import ContentStore


class Reservation:
    """The staging file and the journal file of one image, both open.

    Args:
        image: The staging file.
        entry: The journal file.
        journal: Knows the form of an entry.
    """

    def __init__(self, image: ReservedFile, entry: ReservedFile, journal: Journal) -> None:
        self._image = image
        self._entry = entry
        self._journal = journal

    def keep(self, entry: JournalEntry, content: bytes) -> None:
        """Write an image and its entry; once this returns the image can't be lost. Again is fine.

        Args:
            entry: What its row is to say.
            content: Its bytes.

        Raises:
            StorageUnavailableError: Disk full, read-only or broken; a later try may succeed.
        """
        self._fill(content)
        self._journal.write(entry, self._entry)
        self._image.keep()
        self._entry.keep()

    def probe(self) -> None:
        """Write a few bytes to each file, to learn whether an image could be kept.

        Raises:
            StorageUnavailableError: It couldn't.
        """
        self._fill(b"probe")
        try:
            self._entry.fill(b"probe")
        except OSError as error:
            raise StorageUnavailableError from error

    def _fill(self, content: bytes) -> None:
        try:
            self._image.fill(content)
        except OSError as error:
            raise StorageUnavailableError from error


@contextmanager
def reserve_image(
    content: ContentStore, journal: Journal, guid: str, size: int
) -> Iterator[Reservation]:
    """Reserve everything on disk that an image needs; leaving the block releases what is unused.

    Args:
        content: Keeps its file.
        journal: Keeps its entry.
        guid: A new one, in canonical form.
        size: Bytes that it will probably need at most.

    Raises:
        InvalidInputError: The guid is not in canonical form.
        StorageUnavailableError: An image could not be kept now; nothing is left.
        PixyProxyException: The database failed.
    """
    with content.reserve(guid, size) as image, journal.reserve(guid) as entry:
        yield Reservation(image, entry, journal)
