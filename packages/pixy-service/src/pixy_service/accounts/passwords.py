"""Passwords: hashing, checking, and a cache of verified ones."""

import hashlib
import secrets
import threading
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass, field

import argon2

from pixy_core import InvalidCredentialsError, InvalidInputError, User, find_key_id
from pixy_core.users import has_control_characters
from pixy_data import UserRepositoryInterface, Viewer
from pixy_service.accounts.sign_in_limit import SignInLimit
from pixy_service.validation import DEFAULT_LIMITS, Limits, validate_guid, validate_username

MIN_PASSWORD_LENGTH = 8
"""Characters of a new password."""

_CACHE_SIZE = 4096
_CONCURRENCY = 2
"""Hashes at the same time; each takes 19 MiB and keeps a core busy."""

# The first recommendation of OWASP's Password Storage Cheat Sheet; 19 MiB.
_MEMORY_KIB, _PASSES, _LANES = 19_456, 2, 1
# A hash of the same cost for unknown users. Its 32 bytes are random, so no known password fits.
_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1$cGl4eS1ub2JvZHktMDAwMQ"
    "$ugnRnE67C5eceuZAzhg3YZmWxkF3MlLBWtHLBG7tDRI"
)


@dataclass(frozen=True)
class Credentials:
    """A user name, a password, and the address they came from; its repr has no password."""

    username: str
    password: str = field(repr=False)
    address: str = ""


def hash_password(password: str, max_length: int = DEFAULT_LIMITS.password_length) -> str:
    """Return the argon2id hash of a new password.

    Args:
        password: At least 8 characters, no control characters, and no API key.
        max_length: Maximum bytes in UTF-8.

    Raises:
        InvalidInputError: It breaks these rules.
    """
    encoded = _encode_password(password, max_length)
    if encoded is None or len(password) < MIN_PASSWORD_LENGTH:
        reason = (
            f"must have at least {MIN_PASSWORD_LENGTH} characters and at most "
            f"{max_length} bytes, and no control characters"
        )
        raise InvalidInputError(((("password",), reason),))
    if find_key_id(password) is not None:
        # wherever a password is expected, such a text is taken for a key
        raise InvalidInputError(((("password",), "must not be an API key"),))
    return _hasher().hash(encoded)


class CredentialService:
    """Checks credentials against the users' rows.

    Raises:
        InvalidCredentialsError: From every method: the credentials are malformed.
        TooManyFailuresError: From every method: too many wrong passwords came from this address.
        DBConnectionError: From every method: the database can't be reached.
    """

    def __init__(
        self,
        user_repo: UserRepositoryInterface,
        limit: SignInLimit,
        lengths: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._user_repo = user_repo
        self.limit = limit
        self._lengths = lengths
        self._hashing = threading.BoundedSemaphore(_CONCURRENCY)
        self._key = secrets.token_bytes(32)
        self._successes: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, credentials: Credentials) -> User | None:
        """Return the user if these credentials were checked before and are still right.

        It hashes no password, so it is quick. None: not remembered; call `check`.
        """
        username, password = _validate(credentials, self._lengths)
        user = self._user_repo.authenticate_user(username)
        if self._is_remembered(user, password):
            return user
        self.limit.check(username, credentials.address)
        return None

    def recall_viewer(self, credentials: Credentials, guid: str) -> Viewer | None:
        """Like `recall`, with an image if the user may see it, in one query.

        Raises:
            InvalidInputError: `guid` is not a canonical UUID.
        """
        guid = validate_guid(guid)
        username, password = _validate(credentials, self._lengths)
        viewer = self._user_repo.authenticate_viewer(username, guid)
        if viewer is not None and self._is_remembered(viewer.user, password):
            return viewer
        self.limit.check(username, credentials.address)
        return None

    def check(self, credentials: Credentials) -> User:
        """Return the user of these credentials.

        It costs one hash, also for unknown and disabled users, unless another request has just
        verified this password. It waits while two others run.

        Raises:
            InvalidCredentialsError: The user is unknown or disabled, or the password is wrong.
        """
        username, password = _validate(credentials, self._lengths)
        with self.limit.guess(username, credentials.address):
            # a page asks for many images at once: another request may have verified it by now
            user = self._user_repo.authenticate_user(username)
            is_right = self._is_remembered(user, password) or self._verify(user, password)
            if user is None or user.disabled or not is_right:
                raise InvalidCredentialsError
            self._remember(self._digest(user, password))
        return user

    def _is_remembered(self, user: User | None, password: bytes) -> bool:
        if user is None or user.disabled:
            return False
        digest = self._digest(user, password)
        with self._lock:
            if digest not in self._successes:
                return False
            self._successes.move_to_end(digest)
        return True

    def _verify(self, user: User | None, password: bytes) -> bool:
        stored = _NOBODY if user is None else user.password
        with self._hashing:
            try:
                return _hasher().verify(stored, password)
            except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
                return False

    def _digest(self, user: User, password: bytes) -> bytes:
        name, stored = user.username.encode(), user.password.encode()
        # length prefixes make the concatenation unambiguous
        message = b"%d %d %b%b%b" % (len(name), len(password), name, password, stored)
        return hashlib.blake2b(message, key=self._key, digest_size=32).digest()

    def _remember(self, digest: bytes) -> None:
        with self._lock:
            self._successes[digest] = None
            self._successes.move_to_end(digest)
            while len(self._successes) > _CACHE_SIZE:
                self._successes.popitem(last=False)


def _hasher() -> argon2.PasswordHasher:
    return argon2.PasswordHasher(_PASSES, _MEMORY_KIB, _LANES)


def _validate(credentials: Credentials, lengths: Limits) -> tuple[str, bytes]:
    """Return the name and the bytes of the password."""
    try:
        username = validate_username(credentials.username, lengths.username_length)
    except InvalidInputError as error:
        raise InvalidCredentialsError from error
    password = _encode_password(credentials.password, lengths.password_length)
    if password is None:
        raise InvalidCredentialsError
    return username, password


def _encode_password(password: str, max_length: int) -> bytes | None:
    """Return the bytes of a password, or None if it is not a valid password.

    NFC and the ban on control characters: RFC 8265, section 4.2, which RFC 7617 refers to.
    """
    try:
        # as typed first: normalising takes a time that grows with the square of the length
        if len(password.encode()) > max_length:
            return None
        encoded = unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:
        return None
    if not 1 <= len(encoded) <= max_length:
        return None
    return None if has_control_characters(password) else encoded
