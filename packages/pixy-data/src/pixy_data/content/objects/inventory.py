"""All objects of a bucket, listed and compared with their rows in constant memory."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from pixy_core import ContentDamagedError
from pixy_core.images import GUID_REGEX
from pixy_data.content.interface import Inventory
from pixy_data.content.names import ENTRY, FILENAME, IMAGES, JOURNAL
from pixy_data.content.objects.bucket import Bucket, FoundObject
from pixy_data.content.objects.layout import PARTIAL, RESERVED, image_key
from pixy_data.content.objects.reading import hash_object
from pixy_data.content.parts import FoundFile
from pixy_data.images import FileRecord
from pixy_data.keyset import PART_SIZE

_GUID = re.compile(f"({GUID_REGEX})")


class ObjectInventory(Inventory):
    """The objects of one bucket. Ages are by the store's own clock."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def list_files(self) -> Iterator[list[FoundFile]]:
        """Yield the images, in parts, in the order of their names."""
        files = self._list(IMAGES, FILENAME)
        while part := list(islice(files, PART_SIZE)):
            yield part

    def list_unfinished(self) -> Iterator[FoundFile]:
        """Yield the partial images, and the reservations of images that are being made."""
        return chain.from_iterable(self._list(folder, _GUID) for folder in (PARTIAL, RESERVED))

    def list_entries(self) -> Iterator[FoundFile]:
        """Yield the journal entries."""
        return self._list(JOURNAL, ENTRY)

    def compare(
        self, records: Iterable[FileRecord], *, deep: bool
    ) -> Iterator[tuple[FileRecord, str | None]]:
        """Yield each row with `missing`, `corrupt`, or None if its object agrees.

        Both sides are in the order of guids, so one pass over each is enough.
        """
        objects = chain.from_iterable(self._bucket.list(IMAGES))
        current = next(objects, None)
        for record in records:
            try:
                key = image_key(record.filename)
            except ContentDamagedError:
                yield record, "corrupt"
                continue
            while current is not None and current.key < key:
                current = next(objects, None)
            is_listed = current is not None and current.key == key
            # one that is not listed may have been made since
            found = current if is_listed else self._bucket.find(key)
            yield record, self._judge(record, found, deep=deep)

    def find_difference(self, record: FileRecord) -> str | None:
        """Read the object of a row: `missing`, `corrupt`, or None if it agrees."""
        try:
            found = self._bucket.find(image_key(record.filename))
        except ContentDamagedError:
            return "corrupt"
        return self._judge(record, found, deep=True)

    def is_whole(self, record: FileRecord) -> bool:
        """Return whether a row's object is there, with its size and hash.

        An object without a hash in its metadata is read.
        """
        try:
            hashed = self._bucket.find_hashed(image_key(record.filename))
            if hashed is None or hashed[0].size != record.size:
                return False
            found, sha256 = hashed
            return (sha256 or hash_object(self._bucket, found)) == record.sha256
        except ContentDamagedError:
            return False

    def list_absent(self, records: Iterable[FileRecord]) -> Iterator[FileRecord]:
        """Yield the rows without an object of their size, by one listing."""
        for record, difference in self.compare(records, deep=False):
            if difference is not None:
                yield record

    def has(self, file: FoundFile) -> bool:
        """Return whether an object is still there."""
        return self._bucket.find(file.place) is not None

    def _judge(self, record: FileRecord, found: FoundObject | None, *, deep: bool) -> str | None:
        if found is None:
            return "missing"
        if found.size != record.size:
            return "corrupt"
        if not deep:
            return None
        try:
            return None if hash_object(self._bucket, found) == record.sha256 else "corrupt"
        except ContentDamagedError:
            # removed, or replaced while it was read
            return "missing" if self._bucket.find(found.key) is None else "corrupt"

    def _list(self, folder: str, names: re.Pattern[str]) -> Iterator[FoundFile]:
        now = self._bucket.now()
        for found in chain.from_iterable(self._bucket.list(folder)):
            match = names.fullmatch(found.key.rpartition("/")[2])
            if match is not None:
                age = max(0.0, (now - found.modified).total_seconds())
                yield FoundFile(found.key, match[1], age)
