"""Users and keys, changed without a command: a process and a hash take longer than most tests."""

import functools
from collections.abc import Mapping

import argon2

from new_databases import create_tables
from pixy_core import Scope, User
from pixy_service import open_keys, open_users
from pixy_service.accounts.passwords import hash_password


def add_users(
    url: str, password: str, class_keys: Mapping[str, str], *, quick: bool = False
) -> None:
    """Add users to a database, which gets its tables first if it is new.

    Args:
        url: `sqlite:///path` or `mysql://user:password@host:port/name`.
        password: The password of all.
        class_keys: By user name.
        quick: Whether the password is hashed with the least memory, so that the service, which
            verifies it with the parameters of the hash, does so in much less time.
    """
    create_tables(url)
    hashed = _hash_quickly(password) if quick else _hash_once(password)
    with open_users(url) as users:
        for name, class_key in class_keys.items():
            user = User(username=name, password=hashed, class_key=class_key)
            users.user_repo.insert_user(user)


def set_disabled(url: str, name: str, *, disabled: bool) -> None:
    """Disable a user, or enable one again."""
    with open_users(url) as users:
        if disabled:
            users.disable_user(name)
        else:
            users.enable_user(name)


def add_key(url: str, user: str, *scopes: str) -> str:
    """Return a new API key of a user.

    Args:
        url: As for `add_users`.
        user: The name.
        scopes: What it may do, such as "read" and "create".
    """
    with open_keys(url) as keys:
        return keys.add_key(user, "test", tuple(map(Scope, scopes))).token


_hash_once = functools.cache(hash_password)


@functools.cache
def _hash_quickly(password: str) -> str:
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)
