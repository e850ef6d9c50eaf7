"""The journal on objects: an entry is there before the bytes of its image.

An object has its final name at once. With its entry written first, each object has an entry or a
row at every instant. The image is safe once its bytes are there
(docs/decisions/0020-object-storage.md).

What is reserved has a key of its own: a request that arrives late must not replace the entry.
"""

import logging

from pydantic import ValidationError

from pixy_core import ContentDamagedError, ImageDetail, StorageUnavailableError
from pixy_data.content.entries import JournalEntry
from pixy_data.content.names import ENTRY, JOURNAL
from pixy_data.content.objects.bucket import Bucket
from pixy_data.content.objects.layout import entry_key, image_key, reserved_key
from pixy_data.content.objects.reading import find_hash
from pixy_data.content.parts import Reservation
from pixy_data.content.spooled_files import SpooledFile

_logger = logging.getLogger(__name__)


class ObjectJournal:
    """The entries of one bucket.

    Its methods raise StorageUnavailableError when the store does not answer.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def find(self, guid: str) -> JournalEntry | None:
        """Return an entry whose image is there and right; None if there is none."""
        entry = self._parse(guid, self._bucket.get(entry_key(guid)))
        if entry is None:
            return None
        if _is_stored(self._bucket, entry.image):
            return entry
        if self._bucket.find(image_key(entry.image.filename)) is not None:
            _logger.error("the object of image %s is damaged, and its entry is kept", guid)
        return None

    def has(self, guid: str) -> bool:
        """Return whether an entry and its image exist, even if one of them is damaged.

        This is quick: an adoption asks within its transaction.
        """
        content = self._bucket.get(entry_key(guid), quick=True)
        if content is None:
            return False
        entry = self._parse(guid, content)
        if entry is None:
            return True
        return self._bucket.find(image_key(entry.image.filename), quick=True) is not None

    def list_guids(self) -> list[str]:
        """Return the guid of each entry, also of those without an image yet."""
        names = (
            found.key.removeprefix(f"{JOURNAL}/")
            for page in self._bucket.list(JOURNAL)
            for found in page
        )
        return [match[1] for name in names if (match := ENTRY.fullmatch(name))]

    def _parse(self, guid: str, content: bytes | None) -> JournalEntry | None:
        if content is None:
            return None
        try:
            entry = JournalEntry.model_validate_json(content)
            image_key(entry.image.filename)
        except (ValidationError, ContentDamagedError):
            entry = None
        if entry is None or entry.image.guid != guid:
            _logger.error("the journal's entry %s can't be read, and is kept", guid)
            return None
        return entry


class ObjectReservation(Reservation):
    """Proves that the entry of an image could be written, and writes it."""

    def __init__(self, bucket: Bucket, guid: str) -> None:
        self._bucket = bucket
        self._guid = guid
        self._has_entry = False
        self._bucket.put(reserved_key(self._guid), b"")

    def keep(self, entry: JournalEntry, content: bytes | SpooledFile) -> None:
        """Write the entry, then the image, and read it back."""
        image = entry.image
        if self._has_entry and self._is_kept(image):
            return
        if not self._has_entry:
            self._bucket.put(entry_key(self._guid), entry.model_dump_json().encode())
            # it is not written again: a recovery may make the image visible, and remove it
            self._has_entry = True
        self._bucket.put(image_key(image.filename), content, image.media_type, sha256=image.sha256)
        if not _is_stored(self._bucket, image):
            _logger.error("the object of image %s is not what was written", self._guid)
            raise StorageUnavailableError

    def release(self) -> None:
        """Remove what was reserved."""
        self._bucket.delete(reserved_key(self._guid))

    def _is_kept(self, image: ImageDetail) -> bool:
        """Return whether what was tried before has worked: only its answer was lost."""
        return self._bucket.find(entry_key(self._guid)) is None or _is_stored(self._bucket, image)


def _is_stored(bucket: Bucket, image: ImageDetail) -> bool:
    key = image_key(image.filename)
    return find_hash(bucket, key, image.size or 0) == image.sha256
