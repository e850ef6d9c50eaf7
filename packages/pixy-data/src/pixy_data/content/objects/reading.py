"""An open image object: parts of it are read only while it is what it was."""

import hashlib
from collections.abc import Iterator
from io import BytesIO

from pixy_core import ContentDamagedError
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


def find_hash(bucket: Bucket, key: str, size: int) -> str | None:
    """Return the SHA-256 of an object in hexadecimal; one part of it is in memory.

    Returns:
        None if there is none of this size, or it was replaced or removed while it was read.
    """
    digest = hashlib.sha256()
    try:
        for part in _read_parts(bucket, key, size):
            digest.update(part)
    except ContentDamagedError:
        return None
    return digest.hexdigest()


def find_bytes(bucket: Bucket, key: str, size: int) -> bytes | None:
    """Return the bytes of an object, without reading one of another size.

    Returns:
        None if there is none of this size, or it was replaced or removed while it was read.
    """
    content = BytesIO()
    try:
        for part in _read_parts(bucket, key, size):
            content.write(part)
    except ContentDamagedError:
        return None
    # CPython does not copy it
    return content.getvalue()


def _read_parts(bucket: Bucket, key: str, size: int) -> Iterator[bytes | memoryview]:
    opened = bucket.open(key, range(min(size, PART_SIZE)), size)
    if opened is None:
        raise ContentDamagedError
    found, first = opened
    yield first
    file = ObjectFile(bucket, found)
    for start in range(PART_SIZE, size, PART_SIZE):
        yield file.read(start, min(start + PART_SIZE, size))
