"""What a service may ask of the images' rows."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import NamedTuple

from pixy_core import Image, ImageDetail, ImageFilter, User, Visibility


class Position(NamedTuple):
    """A place in the order of a list: just after the image with these two values."""

    created_at: datetime
    guid: str


class ImageRepositoryInterface(ABC):
    """What a service may ask of the images' rows.

    Lists are newest first, by (created_at, guid). Every method raises DBConnectionError,
    DatabaseBusyError or DatabaseError when the database fails.
    """

    @abstractmethod
    def insert_image(
        self, image: ImageDetail, owner: User, created_at: datetime | None = None
    ) -> Image:
        """Store a new image.

        Args:
            image: All of its details.
            owner: Whose it is; the class that may see it is this user's.
            created_at: When it was made, aware; None for now.

        Returns:
            The image with its id and times.

        Raises:
            ConstraintViolationError: The guid is taken, the owner unknown or of another class,
                or a detail missing.
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def find_image(self, guid: str) -> Image | None:
        """Find an image whatever its visibility: for creating and checking only.

        Args:
            guid: In canonical form.

        Returns:
            The image, its owner told, or None.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def find_public_image(self, guid: str) -> Image | None:
        """Find an image that strangers may see.

        Args:
            guid: In canonical form.

        Returns:
            The image, its owner not told, or None.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def find_visible_image(self, guid: str, user: User) -> Image | None:
        """Find an image that a user may see: public, own, or of the same class.

        Args:
            guid: In canonical form.
            user: Who looks.

        Returns:
            The image, its owner told, or None.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def list_public_images(self, limit: int, after: Position | None = None) -> list[Image]:
        """Return a page of the images that strangers may see, owners not told.

        Args:
            limit: Images at most.
            after: The last image of the page before.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def list_owned_images(
        self, username: str, limit: int, after: Position | None = None
    ) -> list[Image]:
        """Return a page of one owner's images.

        Args:
            username: The owner.
            limit: Images at most.
            after: The last image of the page before.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def list_class_images(
        self, class_key: str, limit: int, after: Position | None = None
    ) -> list[Image]:
        """Return a page of the images shown to a class.

        Args:
            class_key: The class.
            limit: Images at most.
            after: The last image of the page before.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def list_visible_images(
        self, user: User, limit: int, after: Position | None = None
    ) -> list[Image]:
        """Return a page of all that a user may see: public, own, or of the same class.

        Args:
            user: Who looks.
            limit: Images at most.
            after: The last image of the page before.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def search_images(
        self, match: ImageFilter, viewer: User | None, limit: int, after: Position | None = None
    ) -> list[Image]:
        """Return a page of those that a caller may see and that a filter lets through.

        Args:
            match: What they have in common.
            viewer: Who looks; None for a stranger, who owns nothing and is told no owner.
            limit: Images at most.
            after: The last image of the page before.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def update_visibility(self, guid: str, owner: str, visibility: Visibility) -> bool:
        """Change who may see an image.

        Args:
            guid: In canonical form.
            owner: The user name that it must belong to.
            visibility: The new one.

        Returns:
            Whether that owner has such an image.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def delete_image(self, guid: str, owner: str) -> bool:
        """Delete an image's row.

        Args:
            guid: In canonical form.
            owner: The user name that it must belong to.

        Returns:
            Whether that owner had such an image.

        Raises:
            PixyProxyException: The database failed.
        """
