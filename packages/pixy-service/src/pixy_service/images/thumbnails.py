"""Thumbnails: made once from a checked original, then read from a cache."""

import logging
from collections.abc import Callable

from pixy_core import Image
from pixy_data import ContentStore, ThumbnailName, ThumbnailStore, stamp_file
from pixy_service.pixels.shrinking import VERSION, shrink

logger = logging.getLogger(__name__)


class Thumbnails:
    """The thumbnails of all images. Callers decide who may see them.

    Args:
        content: The originals.
        cache: The thumbnails.
    """

    def __init__(self, content: ContentStore, cache: ThumbnailStore) -> None:
        self._content = content
        self._cache = cache

    def find(self, image: Image, width: int, media_type: str) -> bytes | None:
        """Return a cached thumbnail of an unchanged original, or None.

        Args:
            image: The original.
            width: One of THUMBNAIL_WIDTHS.
            media_type: One of THUMBNAIL_TYPES.

        Raises:
            ContentDamagedError: The image's file name is not one of the store.
        """
        stamp = self._stamp(image)
        return None if stamp is None else self._cache.find(_name(image, width, media_type), stamp)

    def make(
        self, image: Image, width: int, media_type: str, read: Callable[[Image], bytes]
    ) -> bytes:
        """Return a thumbnail; make and cache it if necessary.

        Args:
            image: As for `find`, like the following ones.
            width: One of THUMBNAIL_WIDTHS.
            media_type: One of THUMBNAIL_TYPES.
            read: Returns the checked bytes of the original.

        Raises:
            ContentDamagedError: The original can't be decoded.
            PixyProxyException: Whatever `read` raises.
        """
        # it may have been made while this call waited for its turn
        found = self.find(image, width, media_type)
        if found is not None:
            return found
        name, stamp = _name(image, width, media_type), self._stamp(image)
        original = read(image)
        found = None if stamp is None else self._cache.renew(name, stamp)
        if found is not None:
            return found
        thumbnail = shrink(original, str(image.media_type), name.width, media_type)
        if stamp is not None:
            self._cache.write(name, thumbnail, stamp)
            # deleting removes the original first: one that is gone by now took no thumbnail along
            if self._stamp(image) is None:
                self._discard(image.guid)
        return thumbnail

    def delete(self, guid: str) -> None:
        """Remove all thumbnails of an image.

        Raises:
            OSError: One can't be removed.
        """
        self._cache.delete(guid)

    def _discard(self, guid: str) -> None:
        try:
            self._cache.delete(guid)
        except OSError:
            logger.exception("image %s is deleted, its thumbnails are not", guid)

    def _stamp(self, image: Image) -> int | None:
        return stamp_file(self._content.locate(image.filename))


def _name(image: Image, width: int, media_type: str) -> ThumbnailName:
    return ThumbnailName(image.guid, min(width, image.width or width), media_type, VERSION)
