"""The rows of API keys: their SQL, and the repository that runs it.

A row has the hash of a key, never the key. A revoked key keeps its row. All times are by the
database's clock, which all processes share.
"""

# ruff: noqa: S608 - only constants and column names are formatted in

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from pixy_core import ApiKey, DetailedImage, Scope, TooManyKeysError, User
from pixy_core.keys import KEY_ID_PATTERN, MAX_KEYS
from pixy_data.conversions import (
    DETAIL_COLUMNS,
    USER_COLUMNS,
    USER_WIDTH,
    details_from_row,
    image_guid,
    match_guid,
    time_from_value,
    time_to_parameter,
    user_from_row,
    widen,
)
from pixy_data.database.database import Database, Row, join_transaction
from pixy_data.visibility import is_visible_to_user

USE_PRECISION = timedelta(minutes=1)
"""The time of a key's last use is written at most this often."""

MAX_LISTED = 1000
"""Keys in one user's list: those that are not revoked, and the latest of the revoked ones."""

_COLUMNS = "id, owner, name, scopes, created_at, expires_at, last_used_at, revoked_at"
_HOLDER_COLUMNS = "id, hash, scopes"
_HOLDER_WIDTH = len(_HOLDER_COLUMNS.split(", "))

_INSERT = """
    INSERT INTO api_keys (id, owner, name, hash, scopes, created_at, expires_at)
    VALUES (:id, :owner, :name, :hash, :scopes, :created_at, :expires_at)
"""
_COUNT = "SELECT COUNT(*) FROM api_keys WHERE owner = :owner AND revoked_at IS NULL"
_SELECT = f"SELECT {_COLUMNS} FROM api_keys WHERE id = :id"
_LIST = f"""
    SELECT {_COLUMNS} FROM api_keys WHERE owner = :owner
    ORDER BY revoked_at IS NOT NULL, created_at DESC, id DESC LIMIT :limit
"""
_LIST_ALL = f"SELECT {_COLUMNS} FROM api_keys ORDER BY owner, created_at DESC, id DESC"
_REVOKE = "UPDATE api_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL"
_ROTATE = """
    UPDATE api_keys SET hash = :hash
    WHERE id = :id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
"""
_OF_OWNER = " AND owner = :owner"
_NOTE_USE = """
    UPDATE api_keys SET last_used_at = :used_at
    WHERE id = :id AND (last_used_at IS NULL OR last_used_at < :before)
"""

# MySQL ignores trailing spaces of an id, and refuses to compare one that is not ASCII
match_key_id = re.compile(KEY_ID_PATTERN).fullmatch


def _is_in_force(now: str) -> str:
    """Return the SQL condition that a key is valid and its owner may sign in."""
    return f"""
        api_keys.revoked_at IS NULL AND users.disabled = 0
        AND (api_keys.expires_at IS NULL OR api_keys.expires_at > {now})
    """


def select_holder(now: str) -> str:
    """Return the statement that finds a key in force, and its owner.

    Args:
        now: The database's expression for its time.
    """
    return f"""
        SELECT {widen(_HOLDER_COLUMNS, "api_keys")}, {widen(USER_COLUMNS, "users")}
        FROM api_keys JOIN users ON users.username = api_keys.owner
        WHERE api_keys.id = :id AND {_is_in_force(now)}
    """


def select_key_viewer(now: str) -> str:
    """Return the statement that also finds an image if the owner may see it: at most one row.

    Args:
        now: As for `select_holder`.
    """
    return f"""
        SELECT {widen(_HOLDER_COLUMNS, "api_keys")}, {widen(USER_COLUMNS, "users")},
            {widen(DETAIL_COLUMNS)}
        FROM api_keys JOIN users ON users.username = api_keys.owner
        LEFT JOIN images ON images.guid = :guid AND {is_visible_to_user("users.")}
        WHERE api_keys.id = :id AND {_is_in_force(now)}
    """


class KeyHolder(NamedTuple):
    """A key in force and its owner, as both were at one moment.

    Attributes:
        hash: SHA-256 of the key; the caller compares it.
        scopes: What the key may do.
        user: Its owner.
        image: The image that was asked for, if the owner may see it.
    """

    hash: str
    scopes: frozenset[Scope]
    user: User
    image: DetailedImage | None = None


class ApiKeyRepository:
    """The API keys of one database.

    Args:
        database: Where they are.

    Raises:
        PixyProxyException: From every method: DBConnectionError, DatabaseBusyError or
            DatabaseError when the database fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._select_holder = select_holder(database.now_sql)
        self._select_viewer = select_key_viewer(database.now_sql)

    def insert_key(
        self,
        key_id: str,
        key_hash: str,
        *,
        owner: str,
        name: str,
        scopes: tuple[Scope, ...],
        days: int | None,
    ) -> ApiKey:
        """Store a new key and return it.

        Args:
            key_id: A new one.
            key_hash: SHA-256 of the key, 64 hexadecimal digits.
            owner: The user name of its owner.
            name: What it is for.
            scopes: What it may do.
            days: After which it expires; None for never.

        Raises:
            TooManyKeysError: The owner has MAX_KEYS that are not revoked.
            ConstraintViolationError: The id is taken, or there is no such owner.
        """

        def work() -> ApiKey:
            row = self._database.fetch_one(_COUNT, {"owner": owner})
            if row is not None and row[0] >= MAX_KEYS:
                raise TooManyKeysError
            now = self._database.now()
            expires_at = None if days is None else now + timedelta(days)
            key = ApiKey(
                id=key_id,
                owner=owner,
                name=name,
                scopes=scopes,
                created_at=now,
                expires_at=expires_at,
            )
            self._database.execute(_INSERT, _key_to_parameters(key) | {"hash": key_hash})
            return key

        return join_transaction(self._database, work)

    def find_key(self, key_id: str) -> ApiKey | None:
        """Find a key, in force or not."""
        if match_key_id(key_id) is None:
            return None
        row = self._database.fetch_one(_SELECT, {"id": key_id}, lambda row: row[0] == key_id)
        return None if row is None else _key_from_row(row)

    def find_holder(self, key_id: str) -> KeyHolder | None:
        """Find a key that is in force at this moment, and its owner."""
        if match_key_id(key_id) is None:
            return None
        row = self._database.fetch_one(
            self._select_holder, {"id": key_id}, lambda row: row[0] == key_id
        )
        return None if row is None else _holder_from_row(row)

    def find_viewer(self, key_id: str, guid: str) -> KeyHolder | None:
        """Find a key as `find_holder` does, with an image if its owner may see it."""
        if match_key_id(key_id) is None:
            return None
        known_guid = guid if match_guid(guid) else ""
        row = self._database.fetch_one(
            self._select_viewer,
            {"id": key_id, "guid": known_guid},
            lambda row: row[0] == key_id and _is_view(row, known_guid),
        )
        return None if row is None else _holder_from_row(row)

    def list_keys(self, owner: str) -> list[ApiKey]:
        """Return one user's keys, the revoked ones last, the newest first in both parts."""
        rows = self._database.fetch_all(_LIST, {"owner": owner, "limit": MAX_LISTED})
        return [_key_from_row(row) for row in rows]

    def list_all_keys(self) -> list[ApiKey]:
        """Return the keys of all users, ordered by owner, the newest first."""
        return [_key_from_row(row) for row in self._database.fetch_all(_LIST_ALL, {})]

    def revoke_key(self, key_id: str, owner: str | None = None) -> bool:
        """Refuse a key from now on.

        Args:
            key_id: The key.
            owner: Only if it belongs to this user; None for any user's.

        Returns:
            False if there is no such key, or it was revoked before.
        """
        return self._change(_REVOKE, key_id, owner)

    def rotate_key(self, key_id: str, key_hash: str, owner: str | None = None) -> ApiKey | None:
        """Replace the hash of a key, and with it the secret.

        Args:
            key_id: The key; it keeps its id, name, scopes and times.
            key_hash: SHA-256 of the new key.
            owner: As for `revoke_key`.

        Returns:
            The key; None if there is no such key, or it is revoked or has expired.
        """
        if not self._change(_ROTATE, key_id, owner, hash=key_hash):
            return None
        return self.find_key(key_id)

    def note_uses(self, ages: Mapping[str, timedelta]) -> None:
        """Store when keys were used, in one transaction; less than a minute more is left out.

        Args:
            ages: How long ago, for each id.
        """

        def work() -> None:
            now = self._database.now()
            # in the same order in each process, so that none waits for a row of the other
            for key_id in sorted(ages):
                used_at = now - ages[key_id]
                parameters = {
                    "id": key_id,
                    "used_at": time_to_parameter(used_at),
                    "before": time_to_parameter(used_at - USE_PRECISION),
                }
                self._database.execute(_NOTE_USE, parameters)

        join_transaction(self._database, work)

    def _change(self, statement: str, key_id: str, owner: str | None, **values: str) -> bool:
        if match_key_id(key_id) is None:
            return False
        parameters = {"id": key_id, "now": time_to_parameter(self._database.now()), **values}
        if owner is not None:
            statement += _OF_OWNER
            parameters["owner"] = owner
        return self._database.execute(statement, parameters).rowcount > 0


def _is_view(row: Row, guid: str) -> bool:
    image = row[_HOLDER_WIDTH + USER_WIDTH :]
    return image[0] is None or image_guid(image) == guid


def _holder_from_row(row: Row) -> KeyHolder:
    _, key_hash, scopes = row[:_HOLDER_WIDTH]
    user = user_from_row(row[_HOLDER_WIDTH : _HOLDER_WIDTH + USER_WIDTH])
    image = row[_HOLDER_WIDTH + USER_WIDTH :]
    found = details_from_row(image, user.username) if image and image[0] is not None else None
    return KeyHolder(key_hash, _read_scopes(scopes), user, found)


@lru_cache(maxsize=16)
def _read_scopes(text: str) -> frozenset[Scope]:
    return frozenset(map(Scope, text.split(",")))


def _key_to_parameters(key: ApiKey) -> dict[str, str | None]:
    return {
        "id": key.id,
        "owner": key.owner,
        "name": key.name,
        "scopes": ",".join(key.scopes),
        "created_at": time_to_parameter(key.created_at),
        "expires_at": None if key.expires_at is None else time_to_parameter(key.expires_at),
    }


def _key_from_row(row: Row) -> ApiKey:
    key_id, owner, name, scopes, created_at, *times = row
    expires_at, last_used_at, revoked_at = (
        None if time is None else time_from_value(time) for time in times
    )
    return ApiKey.model_construct(
        id=key_id,
        owner=owner,
        name=name,
        scopes=tuple(map(Scope, scopes.split(","))),
        created_at=time_from_value(created_at),
        expires_at=expires_at,
        last_used_at=last_used_at,
        revoked_at=revoked_at,
    )
