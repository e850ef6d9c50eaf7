"""What a service may ask of the users' rows."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from pixy_core import Image, User


class Viewer(NamedTuple):
    """A user, and an image if that user may see it, as both were at one moment."""

    user: User
    image: Image | None


class UserRepositoryInterface(ABC):
    """What a service may ask of the users' rows.

    Every method raises DBConnectionError, DatabaseBusyError or DatabaseError when the database
    fails.
    """

    @abstractmethod
    def authenticate_user(self, username: str) -> User | None:
        """Find the row that a password can be checked against; none is checked here.

        Args:
            username: Exactly as it was stored, in NFC.

        Returns:
            The user, disabled or not, or None.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def authenticate_viewer(self, username: str, guid: str) -> Viewer | None:
        """Find the row as `authenticate_user` does, and an image that this user may see.

        Args:
            username: Exactly as it was stored, in NFC.
            guid: The image's, in canonical form.

        Returns:
            The user, disabled or not, with the image or None; or None without such a user.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def insert_user(self, user: User) -> User:
        """Store a new user.

        Args:
            user: Its `password` is the hash to keep.

        Returns:
            The user with its `created_at`.

        Raises:
            ConstraintViolationError: The name is taken.
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def list_users(self) -> list[User]:
        """Return every user, ordered by name.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def update_password(self, username: str, password: str) -> bool:
        """Replace a user's password hash.

        Args:
            username: Exactly as it was stored, in NFC.
            password: The new hash.

        Returns:
            Whether there is such a user.

        Raises:
            PixyProxyException: The database failed.
        """

    @abstractmethod
    def update_disabled(self, username: str, disabled: bool) -> bool:
        """Disable a user, or enable it again.

        Args:
            username: Exactly as it was stored, in NFC.
            disabled: Whether it may no longer sign in.

        Returns:
            Whether there is such a user.

        Raises:
            PixyProxyException: The database failed.
        """
