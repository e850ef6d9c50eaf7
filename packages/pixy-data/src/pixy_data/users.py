"""The rows of users: their SQL, and the repository that runs it. Passwords are hashed elsewhere."""

# ruff: noqa: S608 - only constants and column names are formatted in

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import NamedTuple

from typing_extensions import override

from pixy_core import DetailedImage, User
from pixy_data.conversions import (
    DETAIL_COLUMNS,
    USER_COLUMNS,
    USER_WIDTH,
    details_from_row,
    image_guid,
    match_guid,
    user_from_row,
    user_to_parameters,
    widen,
)
from pixy_data.database.database import Database, Row
from pixy_data.visibility import is_visible_to_user

# utf8mb4_bin ignores trailing spaces, so the lengths are compared, too
_IS_USER = "username = :username AND LENGTH(username) = LENGTH(:username)"

_SELECT = f"SELECT {USER_COLUMNS} FROM users WHERE {_IS_USER}"
# at most one row: both keys are unique (docs/decisions/0012-sign-in-and-image.md)
SELECT_VIEWER = f"""
    SELECT {widen(USER_COLUMNS, "users")}, {widen(DETAIL_COLUMNS)}
    FROM users LEFT JOIN images
    ON images.guid = :guid AND {is_visible_to_user("users.")}
    WHERE users.username = :username
"""
_SELECT_ALL = f"SELECT {USER_COLUMNS} FROM users ORDER BY username"
_INSERT = """
    INSERT INTO users (username, password, class_key, disabled, created_at)
    VALUES (:username, :password, :class_key, :disabled, :created_at)
"""
_UPDATE_PASSWORD = f"UPDATE users SET password = :password WHERE {_IS_USER}"
_UPDATE_DISABLED = f"UPDATE users SET disabled = :disabled WHERE {_IS_USER}"


class Viewer(NamedTuple):
    """A user, and an image if that user may see it, as both were at one moment."""

    user: User
    image: DetailedImage | None


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
            user: Its `password` is the hash to store; without a `created_at` it is made now.

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


class UserRepository(UserRepositoryInterface):
    """The users of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    def authenticate_user(self, username: str) -> User | None:
        row = self._database.fetch_one(
            _SELECT, {"username": username}, lambda row: row[0] == username
        )
        return None if row is None else user_from_row(row)

    @override
    def authenticate_viewer(self, username: str, guid: str) -> Viewer | None:
        known_guid = guid if match_guid(guid) else ""
        row = self._database.fetch_one(
            SELECT_VIEWER,
            {"username": username, "guid": known_guid},
            lambda row: _is_viewer(row, username, known_guid),
        )
        # comparing lengths in the database, as _IS_USER does, would double the cost of this query
        if row is None or row[0] != username:
            return None
        image = row[USER_WIDTH:]
        return Viewer(
            user_from_row(row[:USER_WIDTH]),
            None if image[0] is None else details_from_row(image, username),
        )

    @override
    def insert_user(self, user: User) -> User:
        created_at = user.created_at or datetime.now(UTC)
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


def _is_viewer(row: Row, username: str, guid: str) -> bool:
    image = row[USER_WIDTH:]
    # MySQL ignores trailing spaces; authenticate_viewer rejects a row with other ones
    is_user = bool(image) and row[0].rstrip(" ") == username.rstrip(" ")
    return is_user and (image[0] is None or image_guid(image) == guid)
