"""How images are read: the part that the public and the private service have in common.

Which images the caller may see is decided in the modules of the two services.
"""

import logging
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from pixy_core import ContentDamagedError, Image, ImageFilter, RecordNotFoundError
from pixy_data import ContentFile, ContentStore, Position
from pixy_service.cursors import Cursors
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.interfaces import ImageServiceInterface
from pixy_service.validation import (
    MAX_PAGE_SIZE,
    validate_filter,
    validate_guid,
    validate_limit,
    validate_thumbnail,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

FetchImages = Callable[[int, Position | None], list[Image]]
"""Returns at most so many images that follow a position."""


@dataclass(frozen=True)
class ImagePage:
    """A part of a list.

    Attributes:
        images: Newest first; never more than the limit that was asked for.
        next_cursor: Where the list goes on, or None at its end.
    """

    images: list[Image]
    next_cursor: str | None


@dataclass(frozen=True)
class ImageFile:
    """An image together with the bytes of its file, which are what its details say."""

    image: Image
    content: bytes = field(repr=False)


class ImageReader(ImageServiceInterface):
    """The read methods, over whatever `_find_image` and `_list_images` let the caller see.

    Args:
        content: Where the files are.
        thumbnails: Smaller pictures of them.
        cursors: The cursors of this caller's list.
    """

    def __init__(self, content: ContentStore, thumbnails: Thumbnails, cursors: Cursors) -> None:
        self._content = content
        self._thumbnails = thumbnails
        self._cursors = cursors

    @abstractmethod
    def _find_image(self, guid: str) -> Image | None:
        """Return an image that the caller may see."""

    @abstractmethod
    def _list_images(self, limit: int, after: Position | None) -> list[Image]:
        """Return at most `limit` images that the caller may see and that follow a position."""

    @abstractmethod
    def _search_images(self, match: ImageFilter, limit: int, after: Position | None) -> list[Image]:
        """Return of those that `_list_images` does only what a filter lets through."""

    def get_image_by_guid(self, guid: str) -> Image:
        """Return one image that the caller may see.

        Args:
            guid: The image's public name, canonical and in lower case.

        Raises:
            InvalidInputError: `guid` is no canonical UUID.
            RecordNotFoundError: No such image, or none that the caller may see.
            DBConnectionError: The database can't be reached.
        """
        image = self._find_image(validate_guid(guid))
        if image is None:
            raise RecordNotFoundError
        return image

    def get_all_images(self) -> list[Image]:
        """Return every image that the caller may see, newest first.

        The whole list is held in memory; `list_images` gives it in parts.

        Raises:
            DBConnectionError: The database can't be reached.
        """
        images: list[Image] = []
        after: Position | None = None
        while page := self._list_images(MAX_PAGE_SIZE, after):
            images += page
            if len(page) < MAX_PAGE_SIZE:
                break
            after = _position_of(page[-1])
        return images

    def list_images(
        self, limit: int, cursor: str | None = None, match: ImageFilter | None = None
    ) -> ImagePage:
        """Return a page of the images that the caller may see, newest first.

        Args:
            limit: 1 to MAX_PAGE_SIZE images.
            cursor: The `next_cursor` of the page before; None for the first page.
            match: What the list is narrowed to; a cursor is good with the same one only.

        Raises:
            InvalidInputError: The limit is out of range, the cursor not one of this list, or the
                filter breaks its rules.
            DBConnectionError: The database can't be reached.
        """
        limit = validate_limit(limit)
        fetch, cursors = self._narrow(match)
        after = None if cursor is None else cursors.decode(cursor)
        # one more than asked for tells whether the list goes on
        images = fetch(limit + 1, after)
        if len(images) <= limit:
            return ImagePage(images, None)
        page = images[:limit]
        return ImagePage(page, cursors.encode(_position_of(page[-1])))

    def _narrow(self, match: ImageFilter | None) -> tuple[FetchImages, Cursors]:
        if match is None:
            return self._list_images, self._cursors
        valid = validate_filter(match)
        if valid == ImageFilter():
            return self._list_images, self._cursors
        return partial(self._search_images, valid), self._cursors.narrow(valid.model_dump_json())

    def get_image_file(self, guid: str) -> str:
        """Return the absolute path of the file of an image that the caller may see.

        Args:
            guid: The image's public name, canonical and in lower case.

        Raises:
            InvalidInputError: `guid` is no canonical UUID.
            RecordNotFoundError: No such image, or none that the caller may see.
            DBConnectionError: The database can't be reached.
        """
        return str(self._content.locate(self.get_image_by_guid(guid).filename))

    def read_image(self, guid: str) -> ImageFile:
        """Return an image that the caller may see, with the bytes of its file.

        Args:
            guid: The image's public name, canonical and in lower case.

        Raises:
            InvalidInputError: `guid` is no canonical UUID.
            RecordNotFoundError: No such image, or none that the caller may see.
            ContentDamagedError: The file is missing, or not what the details say.
            DBConnectionError: The database can't be reached.
        """
        image = self.get_image_by_guid(guid)
        return ImageFile(image, self.read_content(image))

    def read_content(self, image: Image) -> bytes:
        """Return the bytes of an image that this service has just given out.

        Args:
            image: As a method of this object returned it: what the caller may see was decided
                there.

        Raises:
            RecordNotFoundError: It has been deleted since.
            ContentDamagedError: The file is missing, or not what the details say.
            DBConnectionError: The database can't be reached.
        """
        return self._if_still_there(image, self._content.read)

    def open_content(self, image: Image, first: range) -> tuple[ContentFile, bytes]:
        """Return the open file of an image, and its first bytes.

        An image that is deleted meanwhile can still be read.

        Args:
            image: As for `read_content`.
            first: Which bytes to read; the caller reads the others, and closes the file.

        Raises:
            PixyProxyException: As `read_content`.
        """
        return self._if_still_there(image, partial(self._content.open, first=first))

    def _if_still_there(self, image: Image, read: Callable[[Image], T]) -> T:
        try:
            return read(image)
        except ContentDamagedError:
            # the owner may have deleted it since the row was read
            self.get_image_by_guid(image.guid)
            # the traceback is for the handler of the exception
            logger.error("the file of image %s is missing or damaged", image.guid)  # noqa: TRY400
            raise

    def find_thumbnail(self, image: Image, width: int, media_type: str) -> bytes | None:
        """Return a smaller picture that is there already, or None: it has to be made.

        Args:
            image: As a method of this object returned it.
            width: One of THUMBNAIL_WIDTHS; an original is never made wider than it is.
            media_type: One of THUMBNAIL_TYPES.

        Raises:
            InvalidInputError: There are no thumbnails of that width or type.
            ContentDamagedError: The image's file can't be one of the store.
        """
        validate_thumbnail(width, media_type)
        return self._thumbnails.find(image, width, media_type)

    def make_thumbnail(self, image: Image, width: int, media_type: str) -> bytes:
        """Return a smaller picture, made now if it is not there yet: work for a core, not a wait.

        Args:
            image: As a method of this object returned it.
            width: One of THUMBNAIL_WIDTHS; an original is never made wider than it is.
            media_type: One of THUMBNAIL_TYPES.

        Raises:
            InvalidInputError: There are no thumbnails of that width or type.
            RecordNotFoundError: The image has been deleted since.
            ContentDamagedError: The image's file is missing, or not what the details say.
            DBConnectionError: The database can't be reached.
        """
        validate_thumbnail(width, media_type)
        return self._thumbnails.make(image, width, media_type, self.read_content)


def _position_of(image: Image) -> Position:
    return Position(image.created_at, image.guid)
