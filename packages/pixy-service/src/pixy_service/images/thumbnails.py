"""Thumbnails: made once from a checked original, then read from a cache."""

import logging
from collections.abc import Callable

from pixy_core import Image, StorageUnavailableError
from pixy_data import ContentStore, ThumbnailName
from pixy_service.pixels.shrinking import VERSION, shrink

logger = logging.getLogger(__name__)


class Thumbnails:
    """The thumbnails of all images. Callers decide who may see them."""

    def __init__(self, content: ContentStore) -> None:
        self._content = content
        self._cache = content.thumbnails

    def find(self, image: Image, width: int, media_type: str) -> bytes | None:
        """Return a cached thumbnail of an unchanged original, or None.

        Raises:
            ContentDamagedError: The image's file name is not one of the store.
        """
        stamp = self._content.stamp(image)
        return None if stamp is None else self._cache.find(_name(image, width, media_type), stamp)

    def make(
        self, image: Image, width: int, media_type: str, read: Callable[[Image], bytes]
    ) -> bytes:
        """Return a thumbnail; if necessary, make it from what `read` returns, and cache it.

        Raises:
            ContentDamagedError: The original can't be decoded.
            PixyProxyException: Whatever `read` raises.
        """
        # it may have been made while this call waited for its turn
        found = self.find(image, width, media_type)
        if found is not None:
            return found
        name, stamp = _name(image, width, media_type), self._content.stamp(image)
        original = read(image)
        found = None if stamp is None else self._cache.renew(name, stamp)
        if found is not None:
            return found
        thumbnail = shrink(original, str(image.media_type), name.width, media_type)
        if stamp is not None:
            self._cache.write(name, thumbnail, stamp)
            # deleting removes the original first: one that is gone by now took no thumbnail along
            if not self._is_there(image):
                self._discard(image.guid)
        return thumbnail

    def delete(self, guid: str) -> None:
        """Remove all thumbnails of an image.

        Raises:
            OSError: One can't be removed.
        """
        self._cache.delete(guid)

    def _is_there(self, image: Image) -> bool:
        try:
            return self._content.has(image)
        except StorageUnavailableError:
            # nobody knows: a thumbnail can be made again
            return False

    def _discard(self, guid: str) -> None:
        try:
            self._cache.delete(guid)
        except (OSError, StorageUnavailableError):
            logger.exception("image %s is deleted, its thumbnails are not", guid)


def _name(image: Image, width: int, media_type: str) -> ThumbnailName:
    return ThumbnailName(image.guid, min(width, image.width or width), media_type, VERSION)
