"""The content store on objects (docs/decisions/0020-object-storage.md)."""

import hashlib
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pixy_core import (
    ContentDamagedError,
    ImageDetail,
    NoLocalFileError,
    StorageUnavailableError,
)
from pixy_core.images import IMAGE_EXTENSIONS
from pixy_data.content.durable_files import DISK_RESERVE
from pixy_data.content.entries import AnswerNote, JournalEntry
from pixy_data.content.hash_cache import HashCache
from pixy_data.content.interface import ContentStore
from pixy_data.content.local_space import LocalSpace
from pixy_data.content.marker import StoreMarker
from pixy_data.content.names import IMAGES, JOURNAL, QUARANTINE
from pixy_data.content.objects.bucket import Bucket, FoundObject
from pixy_data.content.objects.inventory import ObjectInventory
from pixy_data.content.objects.journal import ObjectJournal, ObjectReservation
from pixy_data.content.objects.layout import PROBE, entry_key, image_key, reserved_key
from pixy_data.content.objects.previews import PartialImageObjects, ThumbnailObjects
from pixy_data.content.objects.reading import PART_SIZE, ObjectFile, find_bytes, find_hash
from pixy_data.content.parts import ContentFile, FoundFile, Leftover, Reservation
from pixy_data.content.quarantine import Quarantine
from pixy_data.content.spooled_files import SpooledFile
from pixy_data.images import FileRecord

_logger = logging.getLogger(__name__)
_MEDIA_TYPES = {extension: media_type for media_type, extension in IMAGE_EXTENSIONS.items()}

ENTRY_AGE = 7200.0
"""Seconds until an entry without bytes is a leftover. A create may last for an hour, and a write
that was given up may still arrive."""


class ObjectStore(ContentStore):
    """The images, journal, thumbnails and partial images of one bucket.

    Args:
        bucket: The bucket.
        local: A folder of this machine for uploads that are on their way.
        reserve: Bytes that stay free on its file system.
        marker: Checks that the bucket belongs to the database; None: nothing is checked.
        entry_age: Seconds until an entry without bytes is a leftover.
    """

    listing_pause = 600.0

    def __init__(
        self,
        bucket: Bucket,
        local: Path,
        *,
        reserve: int = DISK_RESERVE,
        marker: StoreMarker | None = None,
        entry_age: float = ENTRY_AGE,
    ) -> None:
        super().__init__(marker)
        self._bucket = bucket
        self._entry_age = entry_age
        self._local = local.absolute()
        self._space = LocalSpace(self._local, reserve)
        self._quarantine = Quarantine(self._local / QUARANTINE, reserve=reserve)
        self._hashes = HashCache()
        self._journal = ObjectJournal(bucket)
        self.partials = PartialImageObjects(bucket)
        self.thumbnails = ThumbnailObjects(bucket)
        self.inventory = ObjectInventory(bucket)

    def check_room(self) -> None:
        """Check that the bucket is the right one, unless that was done moments ago."""
        self.verify(fresh=False)

    def probe(self) -> None:
        """Write an empty object, always with the same key.

        A versioned bucket keeps each of them as an old version, until a lifecycle rule ends that.
        """
        self.confirm()
        self._bucket.put(PROBE, b"")

    @contextmanager
    def reserve(self, guid: str, size: int) -> Iterator[Reservation]:  # noqa: ARG002 - a bucket has room
        """Write a small object, which proves that the bucket can be written to."""
        self.check_guid(guid)
        self.confirm()
        reservation = ObjectReservation(self._bucket, guid)
        try:
            yield reservation
        finally:
            # an entry stays: what was tried may have arrived, and then recovery makes it visible
            self._release(reservation)

    def spool(self, size: int | None, limit: int) -> SpooledFile:
        """Return a file without a name for an upload, in the local folder."""
        self.confirm()
        return self._space.spool(self._make_spool_folder, size, limit)

    def find_kept(self, guid: str) -> JournalEntry | None:
        """Find an entry whose image is there and right; None if there is none."""
        return self._journal.find(guid)

    def has_kept(self, guid: str) -> bool:
        """Return whether an entry and its image exist, even if one of them is damaged."""
        return self._journal.has(guid)

    def list_kept(self) -> list[str]:
        """Return the guid of each entry, also of those without an image yet."""
        return self._journal.list_guids()

    def forget(self, guid: str) -> None:
        """Remove an entry, if there is one."""
        self._bucket.delete(entry_key(guid))

    def publish(self, filename: str) -> None:
        """Check the mark; an object has its final name from the start."""
        image_key(filename)
        self.verify()

    def open(self, image: ImageDetail, wanted: range) -> tuple[ContentFile, bytes | memoryview]:
        """Return an image object that has the size of its row, and its first bytes."""
        self.verify(fresh=False)
        key, first = image_key(image.filename), wanted[:PART_SIZE]
        found: FoundObject | None
        content: bytes | memoryview
        if first:
            opened = self._bucket.open(key, first, image.size or 0)
            found, content = opened or (None, b"")
        else:
            found, content = self._bucket.find(key), b""
        if found is None or not self._agrees(image, found, content, first):
            # without its mark a bucket is another one
            self.verify()
            raise ContentDamagedError
        return ObjectFile(self._bucket, found), content

    def read(self, image: ImageDetail | FileRecord) -> bytes:
        """Return the bytes of an image that agree with its row."""
        self.verify(fresh=False)
        content = find_bytes(self._bucket, image_key(image.filename), image.size or 0)
        if content is None or _hash(content) != image.sha256:
            self.verify()
            raise ContentDamagedError
        return content

    def copy_in(self, record: FileRecord, content: bytes) -> None:
        """Write an image with its hash, and read it back."""
        key = image_key(record.filename)
        media_type = _MEDIA_TYPES[record.filename.rpartition(".")[2]]
        self._bucket.put(key, content, media_type, sha256=record.sha256)
        if find_hash(self._bucket, key, len(content)) != _hash(content):
            _logger.error("the object of image %s is not what was written", record.guid)
            raise StorageUnavailableError

    @contextmanager
    def open_locally(self, image: ImageDetail) -> Iterator[SpooledFile]:
        """Copy an image to a file without a name, and check its hash."""
        size = image.size or 0
        file, _ = self.open(image, range(0))
        with self._space.spool(self._make_spool_folder, size, size) as copy:
            for start in range(0, size, PART_SIZE):
                copy.write(file.read(start, min(start + PART_SIZE, size)))
            if copy.sha256 != image.sha256:
                raise ContentDamagedError
            yield copy

    def stamp(self, image: ImageDetail) -> int | None:
        """Return a number from the image's hash: its object never changes."""
        return int((image.sha256 or "0")[:15], 16)

    def has(self, image: ImageDetail) -> bool:
        """Return whether the object of an image is there."""
        return self._bucket.find(image_key(image.filename)) is not None

    def locate(self, filename: str) -> Path:  # noqa: ARG002 - there is none
        """Refuse: objects have no paths."""
        raise NoLocalFileError

    def delete(self, filename: str) -> None:
        """Remove an image object, if it exists."""
        self._bucket.delete(image_key(filename))

    def list_leftovers(self, seconds: float) -> list[Leftover]:
        """Return what is unfinished and that old, by the store's clock; entries are older."""
        found = (*self.inventory.list_entries(), *self.inventory.list_unfinished())
        return [
            Leftover(each.guid, each.place)
            for each in found
            if (each.age or 0.0) >= self._find_age(each.place, seconds)
        ]

    def remove_leftover(self, leftover: Leftover, seconds: float) -> bool:
        """Remove what is unfinished, unless it was written again."""
        found, age = self._bucket.find(leftover.name), self._find_age(leftover.name, seconds)
        if found is None or (self._bucket.now() - found.modified).total_seconds() < age:
            return False
        self._bucket.delete(leftover.name)
        return True

    def drop_reservation(self, guid: str, seconds: float) -> None:
        """Remove a reservation, if it was not written for so many seconds."""
        self.remove_leftover(Leftover(guid, reserved_key(guid)), seconds)

    def keep_answer(self, note: AnswerNote, answer: bytes | bytearray) -> str:
        """Keep a response in the bucket, or on this machine if the bucket can't be written to."""
        try:
            self._bucket.put(f"{QUARANTINE}/{note.guid}.answer", bytes(answer))
            self._bucket.put(
                f"{QUARANTINE}/{note.guid}.json", note.model_dump_json(indent=2).encode()
            )
        except StorageUnavailableError:
            return str(self._quarantine.keep(note, answer))
        return f"{QUARANTINE}/{note.guid}.answer"

    def set_aside(self, file: FoundFile) -> str:
        """Copy an object to the quarantine, compare the copy, and remove the object.

        What is there already is not replaced.
        """
        is_image = file.place.startswith(f"{IMAGES}/")
        # what is unfinished has the same name in several folders
        name = file.name if is_image else file.place.replace("/", "-")
        target = self._find_free(f"{QUARANTINE}/{name}")
        before = self._bucket.find(file.place)
        try:
            self._bucket.copy(file.place, target)
        except FileNotFoundError as error:
            raise StorageUnavailableError from error
        copy = self._bucket.find(target)
        if before is None or copy is None or copy.size != before.size:
            raise StorageUnavailableError
        self._bucket.delete(file.place)
        return target

    def _agrees(
        self, image: ImageDetail, found: FoundObject, content: bytes | memoryview, part: range
    ) -> bool:
        """Return whether bytes are a part of an image: by their hash, if they are all of it."""
        if found.size != image.size or len(content) != len(part):
            return False
        if len(part) != image.size:
            return True
        if found.etag is None:
            return _hash(content) == image.sha256
        return self._hashes.get(found, partial(_hash, content)) == image.sha256

    def _find_free(self, key: str) -> str:
        """Return a key that no object has: this one, or this one with a suffix."""
        return key if self._bucket.find(key) is None else f"{key}.{secrets.token_hex(4)}"

    def _make_spool_folder(self) -> Path:
        folder = self._local / "spool"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _find_age(self, name: str, seconds: float) -> float:
        return max(seconds, self._entry_age) if name.startswith(f"{JOURNAL}/") else seconds

    def _release(self, reservation: ObjectReservation) -> None:
        try:
            reservation.release()
        except StorageUnavailableError:
            _logger.warning("a reservation can't be removed; recovery does that later")


def _hash(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()
