"""Partial images and thumbnails as objects: neither has to be durable."""

import logging

from pixy_core import StorageUnavailableError
from pixy_core.images import IMAGE_EXTENSIONS
from pixy_data.content.interface import PartialImageStore, ThumbnailStore
from pixy_data.content.names import THUMBNAILS
from pixy_data.content.objects.bucket import Bucket
from pixy_data.content.objects.layout import partial_key, thumbnail_key
from pixy_data.content.parts import PartialImage, ThumbnailName

_logger = logging.getLogger(__name__)


class PartialImageObjects(PartialImageStore):
    """Objects named after the image's guid."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def write(self, guid: str, picture: PartialImage) -> None:
        """Replace an image's preview. An error is only logged."""
        try:
            self._bucket.put(partial_key(guid), picture.content, picture.media_type)
        except StorageUnavailableError:
            _logger.warning("a partial image of %s can't be kept", guid)

    def find(self, guid: str) -> PartialImage | None:
        """Return an image's preview; None if there is none or it can't be read."""
        try:
            found = self._bucket.get_typed(partial_key(guid))
        except StorageUnavailableError:
            return None
        if found is None or found[1] not in IMAGE_EXTENSIONS:
            return None
        return PartialImage(found[0], str(found[1]))

    def has(self, guid: str) -> bool:
        """Return whether an image has a preview; False if the store does not tell soon."""
        return self._bucket.peek(partial_key(guid))

    def delete(self, guid: str) -> None:
        """Remove an image's preview; if that fails, recovery tries again."""
        try:
            self._bucket.delete(partial_key(guid))
        except StorageUnavailableError:
            _logger.warning("a partial image of %s can't be removed", guid)


class ThumbnailObjects(ThumbnailStore):
    """Objects in a folder for each image. An image object never changes, so stamps are ignored."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def find(self, name: ThumbnailName, stamp: int) -> bytes | None:  # noqa: ARG002 - see the class
        """Return a thumbnail; None if there is none or the store does not answer."""
        try:
            return self._bucket.get(thumbnail_key(name))
        except StorageUnavailableError:
            return None

    def renew(self, name: ThumbnailName, stamp: int) -> bytes | None:
        """Return a thumbnail that has been made meanwhile."""
        return self.find(name, stamp)

    def write(self, name: ThumbnailName, content: bytes, stamp: int) -> None:  # noqa: ARG002 - see the class
        """Write a thumbnail. An error is only logged."""
        try:
            self._bucket.put(thumbnail_key(name), content, name.media_type)
        except StorageUnavailableError:
            _logger.warning("a thumbnail of image %s can't be kept", name.guid)

    def delete(self, guid: str) -> None:
        """Remove every thumbnail of an image."""
        for page in self._bucket.list(f"{THUMBNAILS}/{guid}"):
            for found in page:
                self._bucket.delete(found.key)
