"""The rows of users: their SQL, and nothing that hashes or compares a password."""

# ruff: noqa: S608 - what is formatted in are the constants of this module and column names

from datetime import UTC, datetime

from typing_extensions import override

from pixy_core import User
from pixy_data.conversions import USER_COLUMNS, user_from_row, user_to_parameters
from pixy_data.database import Database
from pixy_data.interfaces import UserRepositoryInterface

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
