"""The interface of the users' rows."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from pixy_core import Image, User


class Viewer(NamedTuple):
    """A user, and an image if that user may see it, as both were at one moment."""

    user: User
    image: Image | None


class UserRepositoryInterface(ABC):
    """What the service layer asks of the users' rows.

    User names are in NFC, exactly as they were stored.

    Raises:
        PixyProxyException: From every method: DBConnectionError, DatabaseBusyError or
            DatabaseError when the database fails.
    """

    @abstractmethod
    def authenticate_user(self, username: str) -> User | None:
        """Find a user, disabled or not; the caller checks the password."""

    @abstractmethod
    def authenticate_viewer(self, username: str, guid: str) -> Viewer | None:
        """Find a user as `authenticate_user` does, and an image if this user may see it."""

    @abstractmethod
    def insert_user(self, user: User) -> User:
        """Store a new user and return it with its `created_at`.

        Args:
            user: Its `password` is the hash to store.

        Raises:
            ConstraintViolationError: The name is taken.
        """

    @abstractmethod
    def list_users(self) -> list[User]:
        """Return all users, ordered by name."""

    @abstractmethod
    def update_password(self, username: str, password: str) -> bool:
        """Replace a user's password hash; return False without such a user."""

    @abstractmethod
    def update_disabled(self, username: str, disabled: bool) -> bool:
        """Disable or enable a user; return False without such a user."""
