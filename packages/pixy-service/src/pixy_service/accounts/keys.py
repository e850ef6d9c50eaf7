"""API keys: making, listing, revoking and rotating them, and recognising one in a request.

A key has 256 random bits, so one SHA-256 protects it as well as a slow hash would.
"""

import hashlib
import hmac
import logging
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from pixy_core import (
    ApiKey,
    InvalidInputError,
    InvalidKeyError,
    PasswordRequiredError,
    PixyProxyException,
    RecordNotFoundError,
    Scope,
    ScopeMissingError,
    User,
    find_key_id,
)
from pixy_core.keys import KEY_ALPHABET, KEY_ID_LENGTH, KEY_PREFIX, KEY_SECRET_LENGTH
from pixy_data import ApiKeyRepository, KeyHolder, UserRepositoryInterface, Viewer
from pixy_service.validation import (
    validate_guid,
    validate_key_create,
    validate_key_id,
    validate_username,
)

logger = logging.getLogger(__name__)

_NOTE_PAUSE = 60.0
"""Seconds between two notes of one key's uses."""


@dataclass(frozen=True)
class KeyCredentials:
    """An API key from a request, and what the request needs; its repr has no key.

    Attributes:
        token: The whole key.
        scope: The scope that the request needs; None if no key is enough.
        username: The user name that came with the key, which must be its owner's; None if the
            key came alone.
    """

    token: str = field(repr=False)
    scope: Scope | None
    username: str | None = None

    @property
    def key_id(self) -> str | None:
        """The id in the key; None if it can't be a key."""
        return find_key_id(self.token)


class IssuedKey(NamedTuple):
    """A key that was just made, and the key itself, which can't be read again."""

    key: ApiKey
    token: str

    def __repr__(self) -> str:
        return f"IssuedKey({self.key!r})"


class KeyService:
    """Makes API keys and recognises them.

    A key that expires, is revoked or rotated, or whose owner is disabled, is refused from the
    next call on.

    Args:
        keys: The rows of the keys.
        users: The rows of their owners.

    Raises:
        InvalidInputError: From every method: an argument breaks a rule.
        DBConnectionError: From every method: the database can't be reached.
    """

    def __init__(self, keys: ApiKeyRepository, users: UserRepositoryInterface) -> None:
        self._keys = keys
        self._users = users
        self._uses: dict[str, float] = {}
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    def add_key(
        self,
        owner: str,
        name: str,
        scopes: tuple[Scope, ...] = (Scope.READ,),
        days: int | None = None,
    ) -> IssuedKey:
        """Make a key for a user. Nothing returns the key itself again.

        Args:
            owner: The user's name.
            name: What the key is for: 1 to 64 characters.
            scopes: What the key may do, at least one.
            days: Days until it expires, 1 to 3650; None for never.

        Raises:
            RecordNotFoundError: There is no such user.
            TooManyKeysError: The user has as many keys as allowed.
        """
        asked = validate_key_create(
            {"name": name, "scopes": tuple(scopes), "expires_in_days": days}
        )
        user = self._users.authenticate_user(validate_username(owner))
        if user is None:
            raise RecordNotFoundError
        key_id = _draw(KEY_ID_LENGTH)
        token = _make_token(key_id)
        key = self._keys.insert_key(
            key_id,
            _hash(token),
            owner=user.username,
            name=asked.name,
            scopes=tuple(asked.scopes),
            days=asked.expires_in_days,
        )
        return IssuedKey(key, token)

    def list_keys(self, owner: str | None = None) -> list[ApiKey]:
        """Return the keys of a user, or of all users; those that were revoked, too.

        Args:
            owner: The user's name; None for all users.
        """
        if owner is None:
            return self._keys.list_all_keys()
        return self._keys.list_keys(validate_username(owner))

    def revoke_key(self, key_id: str, owner: str | None = None) -> None:
        """Refuse a key from now on, for good.

        Args:
            key_id: The key.
            owner: Only if it is this user's; None for any user's.

        Raises:
            RecordNotFoundError: There is no such key, or it was revoked before.
        """
        owner = None if owner is None else validate_username(owner)
        if not self._keys.revoke_key(validate_key_id(key_id), owner):
            raise RecordNotFoundError

    def rotate_key(self, key_id: str, owner: str | None = None) -> IssuedKey:
        """Replace a key by a new one with the same id, name, scopes and times.

        Args:
            key_id: The key, which is refused from now on.
            owner: As for `revoke_key`.

        Raises:
            RecordNotFoundError: There is no such key, or it is revoked or has expired.
        """
        owner = None if owner is None else validate_username(owner)
        token = _make_token(validate_key_id(key_id))
        key = self._keys.rotate_key(key_id, _hash(token), owner)
        if key is None:
            raise RecordNotFoundError
        return IssuedKey(key, token)

    def recall(self, credentials: KeyCredentials) -> User:
        """Return the owner of a key that may do what is needed, in one query.

        Raises:
            InvalidKeyError: It is no key, or not in force, or another user's.
            ScopeMissingError: It lacks the scope.
            PasswordRequiredError: No key is enough.
        """
        key_id = _require_key_id(credentials)
        return self._accept(credentials, key_id, self._keys.find_holder(key_id)).user

    def recall_viewer(self, credentials: KeyCredentials, guid: str) -> Viewer:
        """Like `recall`, with an image if the owner may see it, in one query.

        Raises:
            InvalidInputError: `guid` is not a canonical UUID.
        """
        guid = validate_guid(guid)
        key_id = _require_key_id(credentials)
        holder = self._accept(credentials, key_id, self._keys.find_viewer(key_id, guid))
        return Viewer(holder.user, holder.image)

    def note_uses(self) -> None:
        """Store when keys were last used: of each at most once a minute.

        A thread in the background calls it, so that no request waits for a write.
        """
        now = time.monotonic()
        with self._lock:
            due = {
                key_id: used
                for key_id, used in self._uses.items()
                if now - self._noted.get(key_id, -_NOTE_PAUSE) >= _NOTE_PAUSE
            }
        self._store(due, now)

    def close(self) -> None:
        """Store the uses that are not stored yet; a failure is logged."""
        with self._lock:
            due = dict(self._uses)
        try:
            self._store(due, time.monotonic())
        except PixyProxyException as error:
            logger.warning("the last uses of API keys are not stored: %s", error.explanation)

    def _store(self, due: dict[str, float], now: float) -> None:
        if not due:
            return
        self._keys.note_uses({key_id: timedelta(seconds=now - due[key_id]) for key_id in due})
        with self._lock:
            for key_id, used in due.items():
                self._noted[key_id] = now
                if self._uses.get(key_id) == used:
                    del self._uses[key_id]

    def _accept(
        self, credentials: KeyCredentials, key_id: str, holder: KeyHolder | None
    ) -> KeyHolder:
        if holder is None or not hmac.compare_digest(holder.hash, _hash(credentials.token)):
            raise InvalidKeyError
        if credentials.username is not None and not _is_name_of(credentials.username, holder.user):
            raise InvalidKeyError
        if credentials.scope is None:
            raise PasswordRequiredError
        if credentials.scope not in holder.scopes:
            raise ScopeMissingError(credentials.scope)
        with self._lock:
            self._uses[key_id] = time.monotonic()
        return holder


def _is_name_of(username: str, user: User) -> bool:
    try:
        return validate_username(username) == user.username
    except InvalidInputError:
        return False


def _require_key_id(credentials: KeyCredentials) -> str:
    key_id = credentials.key_id
    if key_id is None:
        raise InvalidKeyError
    return key_id


def _make_token(key_id: str) -> str:
    return f"{KEY_PREFIX}{key_id}_{_draw(KEY_SECRET_LENGTH)}"


def _draw(length: int) -> str:
    return "".join(secrets.choice(KEY_ALPHABET) for _ in range(length))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("ascii")).hexdigest()
