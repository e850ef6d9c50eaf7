"""Reading images: what the public and the private service have in common.

Each service decides which images its caller may see.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from pixy_core import (
    ContentDamagedError,
    Creation,
    DetailedImage,
    Image,
    ImageDetailCreate,
    ImageFilter,
    ImageSource,
    RecordNotFoundError,
)
from pixy_data import ContentFile, ContentStore, Position
from pixy_service.cursors import Cursors
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.validation import (
    MAX_PAGE_SIZE,
    validate_filter,
    validate_guid,
    validate_limit,
    validate_thumbnail,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R", Image, Creation)

FetchImages = Callable[[int, Position | None], list[Image]]
"""Returns at most so many images that follow a position."""


@dataclass(frozen=True)
class ImagePage:
    """A page of a list.

    Attributes:
        images: Newest first; at most as many as the limit.
        next_cursor: The cursor of the next page; None on the last.
    """

    images: list[Image]
    next_cursor: str | None


@dataclass(frozen=True)
class ImageFile:
    """An image and the bytes of its file, checked against its hash."""

    image: Image
    content: bytes = field(repr=False)


class ImageServiceInterface(ABC):
    """What every caller is offered, signed in or not. An object serves one caller.

    A guid is an image's public name, canonical and in lower case.

    Raises:
        InvalidInputError: From every method: an argument breaks a rule.
        PixyProxyException: From every method: another failure that has a class.
    """

    @abstractmethod
    def create_image(self, image: ImageDetailCreate) -> Image:
        """Make an image from a prompt and store it.

        Raises:
            GenerationError: The image could not be made.
            ConstraintViolationError: The database refused the row.
        """

    @abstractmethod
    def get_image_by_guid(self, guid: str) -> Image:
        """Return an image.

        Raises:
            RecordNotFoundError: There is none that the caller may see.
        """

    @abstractmethod
    def get_all_images(self) -> list[Image]:
        """Return all images that the caller may see, newest first."""

    @abstractmethod
    def get_image_file(self, guid: str) -> str:
        """Return the absolute path of an image's file.

        Raises:
            RecordNotFoundError: There is none that the caller may see.
        """


class ImageReader(ImageServiceInterface):
    """The methods that read, restricted to what `_find_image` and `_list_images` return.

    Raises:
        InvalidInputError: From every method: an argument breaks a rule.
        RecordNotFoundError: From every method that takes one image: there is none that the caller
            may see, or it has been deleted.
        ContentDamagedError: From every method that reads a file: it is missing, or differs from
            its row.
        DBConnectionError: From every method: the database can't be reached.
    """

    def __init__(self, content: ContentStore, thumbnails: Thumbnails, cursors: Cursors) -> None:
        self._content = content
        self._thumbnails = thumbnails
        self._cursors = cursors

    @abstractmethod
    def _find_image(self, guid: str) -> DetailedImage | None:
        """Return an image that the caller may see."""

    @abstractmethod
    def _list_images(self, limit: int, after: Position | None) -> list[Image]:
        """Return at most `limit` images that the caller may see and that follow a position."""

    @abstractmethod
    def _list_derived(self, guid: str, limit: int, after: Position | None) -> list[Image]:
        """Like `_list_images`, restricted to what was made from an image."""

    @abstractmethod
    def _list_sources(self, image: Image) -> list[ImageSource]:
        """Return what the caller may know of the images that an image was made from."""

    @abstractmethod
    def _search_images(self, match: ImageFilter, limit: int, after: Position | None) -> list[Image]:
        """Like `_list_images`, restricted by a filter."""

    def get_image_by_guid(self, guid: str) -> DetailedImage:
        """Return an image that the caller may see."""
        image = self._find_image(validate_guid(guid))
        if image is None:
            raise RecordNotFoundError
        return image

    def get_all_images(self) -> list[Image]:
        """Return all images that the caller may see, newest first.

        The whole list is held in memory; `list_images` returns it in pages.
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
            match: A filter. A cursor belongs to one filter.

        Raises:
            InvalidInputError: The limit, the cursor or the filter is invalid.
        """
        limit = validate_limit(limit)
        return _fetch_page(*self._narrow(match), limit, cursor)

    def list_derived(self, guid: str, limit: int, cursor: str | None = None) -> ImagePage:
        """Return a page of what was made from an image, as far as the caller may see it.

        Args:
            guid: Of an image that the caller may see.
            limit: As for `list_images`, like the cursor, which belongs to one image.
            cursor: The `next_cursor` of the page before; None for the first page.

        Raises:
            RecordNotFoundError: There is no such image that the caller may see.
            InvalidInputError: The limit or the cursor is invalid.
        """
        limit, guid = validate_limit(limit), self.get_image_by_guid(guid).guid
        cursors = self._cursors.narrow(f"derived:{guid}")
        return _fetch_page(partial(self._list_derived, guid), cursors, limit, cursor)

    def add_details(self, image: DetailedImage) -> DetailedImage:
        """Return an image with what only its own details tell: what it was made from.

        Args:
            image: As a method of this object returned it.

        Returns:
            A copy with sources if the caller may know of one, else the image itself.
        """
        sources = self._list_sources(image) if image.source_count else []
        if not sources:
            return image
        return image.model_copy(update={"sources": sources})

    def _narrow(self, match: ImageFilter | None) -> tuple[FetchImages, Cursors]:
        if match is None:
            return self._list_images, self._cursors
        valid = validate_filter(match)
        if valid == ImageFilter():
            return self._list_images, self._cursors
        return partial(self._search_images, valid), self._cursors.narrow(valid.model_dump_json())

    def get_image_file(self, guid: str) -> str:
        """Return the absolute path of the file of an image that the caller may see."""
        return str(self._content.locate(self.get_image_by_guid(guid).filename))

    def read_image(self, guid: str) -> ImageFile:
        """Return an image that the caller may see, with the bytes of its file."""
        image = self.get_image_by_guid(guid)
        return ImageFile(image, self.read_content(image))

    def read_content(self, image: Image) -> bytes:
        """Return the bytes of an image.

        Args:
            image: As a method of this object returned it.
        """
        return self._if_still_there(image, self._content.read)

    def open_content(self, image: Image, wanted: range) -> tuple[ContentFile, bytes | memoryview]:
        """Return the open file of an image, and the first `part_size` of the wanted bytes.

        A file that is deleted meanwhile can still be read; an object can't.

        Args:
            image: As for `read_content`.
            wanted: Which bytes the caller wants; it reads the others, and closes the file.
        """
        return self._if_still_there(image, partial(self._content.open, wanted=wanted))

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
        """Return a cached thumbnail, or None if it has to be made.

        Args:
            image: As a method of this object returned it.
            width: One of THUMBNAIL_WIDTHS; an original is never made wider.
            media_type: One of THUMBNAIL_TYPES.

        Raises:
            ContentDamagedError: The image's file name is not one of the store.
        """
        validate_thumbnail(width, media_type)
        return self._thumbnails.find(image, width, media_type)

    def make_thumbnail(self, image: Image, width: int, media_type: str) -> bytes:
        """Return a thumbnail; make and cache it if necessary, which keeps a core busy.

        Args:
            image: As for `find_thumbnail`, like the following ones.
            width: One of THUMBNAIL_WIDTHS.
            media_type: One of THUMBNAIL_TYPES.
        """
        validate_thumbnail(width, media_type)
        return self._thumbnails.make(image, width, media_type, self.read_content)


def cut_page(found: list[R], limit: int, cursors: Cursors) -> tuple[list[R], str | None]:
    """Return the first `limit` records, and the next cursor if there are more."""
    if len(found) <= limit:
        return found, None
    return found[:limit], cursors.encode(_position_of(found[limit - 1]))


def _position_of(record: Image | Creation) -> Position:
    return Position(record.created_at, record.guid)


def _fetch_page(fetch: FetchImages, cursors: Cursors, limit: int, cursor: str | None) -> ImagePage:
    after = None if cursor is None else cursors.decode(cursor)
    # one more than asked for tells whether the list goes on
    return ImagePage(*cut_page(fetch(limit + 1, after), limit, cursors))
