"""An open image object: parts of it are read only while it is what it was."""

import hashlib

from pixy_data.content.objects.bucket import Bucket, FoundObject
from pixy_data.content.parts import ContentFile

PART_SIZE = 1536 * 1024
"""Bytes that one request reads: a usual image whole, and less than 2 MiB for each slow reader."""


class ObjectFile(ContentFile):
    """An image object that has the size of its row."""

    part_size = PART_SIZE

    def __init__(self, bucket: Bucket, found: FoundObject) -> None:
        self._bucket = bucket
        self._found = found
        self.size = found.size

    def read(self, start: int = 0, stop: int | None = None) -> bytes | memoryview:
        """Return the bytes from `start` to before `stop`; None: to the end.

        `ObjectStore.open` returns the first part itself: a response reads only later parts here.
        """
        part = range(start, self.size if stop is None else stop)
        if not part:
            return b""
        return self._bucket.read(self._found.key, part, self._found.etag)

    def close(self) -> None:
        """Do nothing: an object is not held open."""


def hash_object(bucket: Bucket, found: FoundObject) -> str:
    """Return the SHA-256 of an object in hexadecimal; one part of it is in memory.

    Raises:
        ContentDamagedError: It was replaced or removed.
    """
    file, digest = ObjectFile(bucket, found), hashlib.sha256()
    for start in range(0, file.size, PART_SIZE):
        digest.update(file.read(start, min(start + PART_SIZE, file.size)))
    return digest.hexdigest()
