"""The mark of a bucket."""

from contextlib import suppress

from pixy_data.content.marker import MarkPlace
from pixy_data.content.names import IMAGES
from pixy_data.content.objects.bucket import Bucket


class BucketMark(MarkPlace):
    """The mark in a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def read(self, name: str) -> bytes | None:
        """Return an object's bytes; None if there is none."""
        return self._bucket.get(name)

    def write(self, name: str, content: bytes) -> None:
        """Create or replace an object."""
        self._bucket.put(name, content)

    def rename(self, name: str, new: str) -> None:
        """Copy an object, if it is there, and remove it."""
        # another process may have done so
        with suppress(FileNotFoundError):
            self._bucket.copy(name, new)
            self._bucket.delete(name)

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        self._bucket.delete(name)

    def has_images(self) -> bool:
        """Return whether the bucket has an image."""
        return any(self._bucket.list(IMAGES))
