"""Public images, for callers without credentials."""

from typing import NoReturn

from pixy_core import (
    AuthenticationRequiredError,
    DetailedImage,
    Image,
    ImageDetailCreate,
    ImageFilter,
    ImageSource,
)
from pixy_data import ContentStore, Database, ImageRepository, Position
from pixy_service.cursors import Cursors
from pixy_service.images.reading import ImageReader
from pixy_service.images.thumbnails import Thumbnails


class PublicImageService(ImageReader):
    """What callers without credentials may do: read public images. They are not told the owners."""

    def __init__(
        self,
        database: Database,
        images: ImageRepository,
        content: ContentStore,
        thumbnails: Thumbnails,
    ) -> None:
        cursors = Cursors(lambda: database.secret("cursor"), "public")
        super().__init__(content, thumbnails, cursors)
        self._images = images

    def create_image(self, image: ImageDetailCreate) -> NoReturn:
        """Refuse: an image needs an owner.

        Raises:
            AuthenticationRequiredError: Always.
        """
        del image
        raise AuthenticationRequiredError

    def _find_image(self, guid: str) -> DetailedImage | None:
        return self._images.find_public_image(guid)

    def _list_images(self, limit: int, after: Position | None) -> list[Image]:
        return self._images.list_public_images(limit, after)

    def _list_derived(self, guid: str, limit: int, after: Position | None) -> list[Image]:
        return self._images.list_public_derived(guid, limit, after)

    def _list_sources(self, image: Image) -> list[ImageSource]:
        return self._images.sources.list_public_sources(image.guid)

    def _search_images(self, match: ImageFilter, limit: int, after: Position | None) -> list[Image]:
        return self._images.search_images(match, None, limit, after)
