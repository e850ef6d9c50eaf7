"""The limit of wrong passwords: how often one client may fail for one user name.

What a right password is stands in passwords.py. The count is kept in the database, so all
workers and machines share it (`docs/decisions/0006-sign-in-limit.md`).
"""

import hashlib
import hmac
import ipaddress
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pixy_core import ConstraintViolationError, InvalidCredentialsError, TooManyFailuresError
from pixy_data import SignInFailure, SignInFailureRepository

# RFC 6177: a site gets no less than a /64, and picks its addresses in it as it likes
_IPV6_SITE = 64


class SignInRule(NamedTuple):
    """How many wrong passwords are borne, and within how many seconds."""

    max_failures: int = 5
    period: float = 300.0


USUAL_RULE = SignInRule()


class SignInLimit:
    """Refuses a client that has failed too often for a user name, known or not.

    Args:
        failures: The rows of what failed.
        read_key: Returns the key that hides names and addresses in the rows; called when needed.
        rule: How many failures are borne.
    """

    def __init__(
        self,
        failures: SignInFailureRepository,
        read_key: Callable[[], bytes],
        rule: SignInRule,
    ) -> None:
        self._failures = failures
        self._read_key = read_key
        self._max_failures = rule.max_failures
        self._period = timedelta(seconds=rule.period)
        self._cleaned_at = datetime.now(UTC)
        self._turns: dict[str, _Turn] = {}
        self._lock = threading.Lock()

    def check(self, username: str, address: str) -> None:
        """Return if a client may try a password for a user name.

        Args:
            username: Whom it wants to be, in NFC.
            address: Where it is: an IP address, or whatever the server calls it.

        Raises:
            TooManyFailuresError: It has failed too often.
            DBConnectionError: The database can't be reached.
        """
        self._check(self._identify(username, address))

    @contextmanager
    def guess(self, username: str, address: str) -> Iterator[None]:
        """Let a client try one password, in its turn; InvalidCredentialsError counts it as wrong.

        A client's guesses run one after the other in a process, so those sent at once are not all
        checked before the first of them is counted.

        Args:
            username: Whom it wants to be, in NFC.
            address: Where it is.

        Raises:
            TooManyFailuresError: It has failed too often, before or with this guess.
            DBConnectionError: The database can't be reached.
        """
        client = self._identify(username, address)
        with self._turn(client):
            self._check(client)
            try:
                yield
            except InvalidCredentialsError:
                self._count(client)
                raise

    def _check(self, client: str) -> list[SignInFailure]:
        latest = self._failures.list_failures(client, self._max_failures)
        if len(latest) == self._max_failures:
            left = latest[-1].failed_at + self._period - datetime.now(UTC)
            if left > timedelta(0):
                raise TooManyFailuresError(retry_after=math.ceil(left.total_seconds()))
        return latest

    def _count(self, client: str) -> None:
        self._clean()
        while True:
            latest = self._check(client)
            number = latest[0].number + 1 if latest else 1
            try:
                self._failures.insert_failure(client, SignInFailure(number, datetime.now(UTC)))
            except ConstraintViolationError:  # another process counted one at the same moment
                continue
            return

    def _clean(self) -> None:
        now = datetime.now(UTC)
        if now - self._cleaned_at > self._period:
            self._cleaned_at = now
            self._failures.delete_failures(now - self._period)

    def _identify(self, username: str, address: str) -> str:
        # a user who types a password for the name must not find it stored
        name = username.encode()
        message = len(name).to_bytes(4) + name + _site_of(address).encode()
        return hmac.digest(self._read_key(), message, hashlib.sha256).hex()

    @contextmanager
    def _turn(self, client: str) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(client, _Turn())
            turn.waiting += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.waiting -= 1
                if not turn.waiting:
                    del self._turns[client]


class _Turn:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting = 0


def _site_of(address: str) -> str:
    """Return what one client can't change about its address: of IPv6, the first half."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # the path of a Unix socket, or nothing
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_SITE), strict=False))
