"""The limits of wrong passwords: for a user name and address, and for an address.

The counts are in the database, and so is the clock, so all workers and machines share them
(docs/decisions/0006-sign-in-limit.md).
"""

import hashlib
import hmac
import ipaddress
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from pixy_core import ConstraintViolationError, InvalidCredentialsError, TooManyFailuresError
from pixy_data import SignInFailure, SignInFailureRepository

# RFC 6177: a site gets no less than a /64, and picks its addresses in it as it likes
_IPV6_SITE = 64
# in place of the length of a name, which is never so large
_NO_NAME = b"\xff\xff\xff\xff"


class SignInRule(NamedTuple):
    """The limits of wrong passwords.

    Attributes:
        max_failures: For one user name from one address.
        period: Seconds in which they are counted.
        max_address_failures: From one address, for all names together. A school or office may share
            an address, so this is far more than one person's mistakes.
    """

    max_failures: int = 5
    period: float = 300.0
    max_address_failures: int = 100


DEFAULT_RULE = SignInRule()


class _Counter(NamedTuple):
    """A count of failures: its key in the rows, and its limit."""

    key: str
    max_failures: int


class SignInLimit:
    """Refuses a client after too many wrong passwords, for one user name or for all.

    Args:
        failures: The rows of failures.
        read_key: Returns the key that hides names and addresses in the rows; called when needed.
        rule: The limits.

    Raises:
        TooManyFailuresError: From every method: the limit is reached.
        DBConnectionError: From every method: the database can't be reached.
    """

    def __init__(
        self,
        failures: SignInFailureRepository,
        read_key: Callable[[], bytes],
        rule: SignInRule,
    ) -> None:
        self._failures = failures
        self._read_key = read_key
        self._rule = rule
        self._period = timedelta(seconds=rule.period)
        self._cleaned_at = time.monotonic()
        self._turns: dict[str, _Turn] = {}
        self._lock = threading.Lock()

    def check(self, username: str, address: str) -> None:
        """Return if a client may try a password for a user name.

        Args:
            username: In NFC.
            address: An IP address, or what the server calls it.
        """
        for counter in self._counters(username, address):
            self._check(counter)

    @contextmanager
    def guess(self, username: str, address: str) -> Iterator[None]:
        """A context manager in which a client tries one password.

        InvalidCredentialsError counts as a wrong one. The guesses of an address run one after the
        other in a process, so that several at once are counted before the next is checked.

        Args:
            username: In NFC.
            address: As for `check`.
        """
        counters = self._counters(username, address)
        with self._turn(site_of(address)):
            for counter in counters:
                self._check(counter)
            try:
                yield
            except InvalidCredentialsError:
                self._clean()
                for counter in counters:
                    self._count(counter)
                raise

    def _check(self, counter: _Counter) -> list[SignInFailure]:
        latest = self._failures.list_failures(counter.key, counter.max_failures)
        if len(latest) == counter.max_failures:
            left = latest[-1].failed_at + self._period - self._failures.now()
            if left > timedelta(0):
                raise TooManyFailuresError(retry_after=math.ceil(left.total_seconds()))
        return latest

    def _count(self, counter: _Counter) -> None:
        while True:
            latest = self._check(counter)
            number = latest[0].number + 1 if latest else 1
            try:
                failure = SignInFailure(number, self._failures.now())
                self._failures.insert_failure(counter.key, failure)
            except ConstraintViolationError:  # another process counted one at the same moment
                continue
            return

    def _clean(self) -> None:
        now = time.monotonic()
        if now - self._cleaned_at > self._rule.period:
            self._cleaned_at = now
            self._failures.delete_failures(self._failures.now() - self._period)

    def _counters(self, username: str, address: str) -> tuple[_Counter, _Counter]:
        site = site_of(address).encode()
        name = username.encode()
        # a user who types a password for the name must not find it stored
        by_name = self._hide(len(name).to_bytes(4) + name + site)
        return (
            _Counter(by_name, self._rule.max_failures),
            _Counter(self._hide(_NO_NAME + site), self._rule.max_address_failures),
        )

    def _hide(self, message: bytes) -> str:
        return hmac.digest(self._read_key(), message, hashlib.sha256).hex()

    @contextmanager
    def _turn(self, site: str) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(site, _Turn())
            turn.waiting += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.waiting -= 1
                if not turn.waiting:
                    del self._turns[site]


class _Turn:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting = 0


def site_of(address: str) -> str:
    """Return the part of an address that one client can't change: of IPv6, the first half."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # the path of a Unix socket, or nothing
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_SITE), strict=False))
