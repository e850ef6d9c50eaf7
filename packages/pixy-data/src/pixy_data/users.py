"""The rows of users: their SQL, and nothing that hashes or compares a password."""

# ruff: noqa: S608 - what is formatted in are the constants of this module and column names

from abc import ABC, abstractmethod
from datetime import UTC, datetime

from typing_extensions import override

from pixy_core import User
from pixy_data.conversions import USER_COLUMNS, user_from_row, user_to_parameters
from pixy_data.database import Database

# utf8mb4_bin compares without trailing spaces, so the lengths are compared too
_IS_USER = "username = :username AND LENGTH(username) = LENGTH(:username)"

_SELECT = f"SELECT {USER_COLUMNS} FROM users WHERE {_IS_USER}"
_SELECT_ALL = f"SELECT {USER_COLUMNS} FROM users ORDER BY username"
_INSERT = """
    INSERT INTO users (username, password, class_key, disabled, created_at)
    VALUES (:username, :password, :class_key, :disabled, :created_at)
"""
_UPDATE_PASSWORD = f"UPDATE users SET password = :password WHERE {_IS_USER}"
_UPDATE_DISABLED = f"UPDATE users SET disabled = :disabled WHERE {_IS_USER}"


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


class UserRepository(UserRepositoryInterface):
    """The users of one database.

    Args:
        database: Where they are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    def authenticate_user(self, username: str) -> User | None:
        row = self._database.fetch_one(_SELECT, {"username": username})
        return None if row is None else user_from_row(row)

    @override
    def insert_user(self, user: User) -> User:
        created_at = datetime.now(UTC)
        self._database.execute(_INSERT, user_to_parameters(user, created_at))
        return user.model_copy(update={"created_at": created_at})

    @override
    def list_users(self) -> list[User]:
        return [user_from_row(row) for row in self._database.fetch_all(_SELECT_ALL, {})]

    @override
    def update_password(self, username: str, password: str) -> bool:
        parameters = {"username": username, "password": password}
        return self._database.execute(_UPDATE_PASSWORD, parameters).rowcount > 0

    @override
    def update_disabled(self, username: str, disabled: bool) -> bool:
        parameters = {"username": username, "disabled": int(disabled)}
        return self._database.execute(_UPDATE_DISABLED, parameters).rowcount > 0
