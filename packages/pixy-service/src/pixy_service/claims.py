"""The claims of this process: taken before the provider is asked, settled when it is known how.

What the database can't be told now is told later, as long as this process lives; after that the
lease of the claim runs out, and recovery.py decides.
"""

import logging
import threading
import uuid
from collections.abc import Callable
from typing import NamedTuple

from pixy_core import (
    ConstraintViolationError,
    Creation,
    CreationStatus,
    DatabaseBusyError,
    DBConnectionError,
    GenerationError,
    GenerationUnknownError,
    ImageDetailCreate,
    PixyProxyException,
    User,
)
from pixy_data import run_transaction
from pixy_service.idempotency import compute_fingerprint, describe_problem, may_run_anew
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)


class Claim(NamedTuple):
    """What stands in the database for a request, and whether an earlier one put it there."""

    creation: Creation
    is_replay: bool


class Claims:
    """Takes claims for this process, keeps their leases, and settles them.

    Args:
        stores: Where the rows of claims are.
    """

    def __init__(self, stores: ImageStores) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._unsettled: dict[str, Callable[[], object]] = {}

    def take(self, request: ImageDetailCreate, owner: User, key: str | None) -> Claim:
        """Commit a claim, or find the one whose image answers the request.

        Args:
            request: What is asked for, validated.
            owner: Who asks.
            key: The request's idempotency key.

        Raises:
            IdempotencyKeyInUseError: The first request with this key still runs.
            IdempotencyKeyReusedError: It asked for something else.
            GenerationError: It failed after it was paid for, or may have been.
            ConstraintViolationError: The owner is gone.
            PixyProxyException: The database failed; nothing is claimed.
        """
        guid = str(uuid.uuid4())
        self._hold(guid)
        try:
            try:
                creation = self._take(guid, request, owner, key)
            except ConstraintViolationError:
                # another request with this key was first, and is found now
                creation = self._take(guid, request, owner, key)
        except DBConnectionError:
            # the commit may have happened, and only its acknowledgement be lost
            self._settle_later(guid, lambda: self._stores.creations.delete_creation(guid))
            raise
        except BaseException:
            self.end(guid)
            raise
        if creation.guid != guid:
            self.end(guid)
        return Claim(creation, creation.guid != guid)

    def find_replay(self, request: ImageDetailCreate, owner: User, key: str) -> Creation | None:
        """Find the creation whose image answers a request, without claiming anything.

        Args:
            request: What is asked for, validated.
            owner: Who asks.
            key: The request's idempotency key.

        Raises:
            PixyProxyException: As `take`.
        """
        earlier = self._stores.creations.find_keyed_creation(owner.username, key)
        if earlier is None or may_run_anew(earlier, compute_fingerprint(request)):
            return None
        return earlier.creation

    def mark_asked(self, guid: str) -> None:
        """Note that the provider is asked from now on; what fails here has cost nothing.

        Args:
            guid: Of a claim of this process's.

        Raises:
            DatabaseBusyError: The claim's lease ran out before.
            PixyProxyException: The database failed.
        """
        try:
            is_still_there = self._stores.claims.mark_asked(guid)
        except PixyProxyException:
            self._settle(guid, lambda: self._stores.creations.delete_creation(guid))
            raise
        if not is_still_there:
            self.end(guid)
            raise DatabaseBusyError

    def fail(self, guid: str, error: GenerationError) -> None:
        """Note why there is no image.

        Args:
            guid: Of a claim of this process's.
            error: What happened.
        """
        is_unknown = isinstance(error, GenerationUnknownError)
        status = CreationStatus.UNKNOWN if is_unknown else CreationStatus.FAILED
        logger.log(
            logging.CRITICAL if is_unknown else logging.WARNING,
            "creation %s is %s: %s, billed: %s",
            guid,
            status,
            error.code,
            error.billed,
        )
        problem = describe_problem(error)
        self._settle(guid, lambda: self._stores.claims.fail_creation(guid, status, problem))

    def end(self, guid: str) -> None:
        """Stop extending the lease of a claim.

        Args:
            guid: Of a claim of this process's, or of none.
        """
        with self._lock:
            self._held.discard(guid)

    def holds(self, guid: str) -> bool:
        """Tell whether this process is at work on a claim.

        Args:
            guid: Of any claim, or of none.
        """
        with self._lock:
            return guid in self._held

    def extend(self) -> None:
        """Begin a new lease of each claim of this process's.

        Raises:
            PixyProxyException: The database failed.
        """
        with self._lock:
            held = list(self._held)
        for guid in held:
            self._stores.claims.extend_lease(guid)

    def settle(self) -> None:
        """Tell the database what it could not be told before.

        Raises:
            PixyProxyException: It failed again.
        """
        with self._lock:
            unsettled = list(self._unsettled.items())
        for guid, settlement in unsettled:
            settlement()
            with self._lock:
                self._unsettled.pop(guid, None)

    def _take(
        self, guid: str, request: ImageDetailCreate, owner: User, key: str | None
    ) -> Creation:
        fingerprint = compute_fingerprint(request)

        def work() -> Creation:
            earlier = None
            if key is not None:
                earlier = self._stores.creations.find_keyed_creation(owner.username, key)
            if earlier is not None:
                if not may_run_anew(earlier, fingerprint):
                    return earlier.creation
                self._stores.creations.delete_creation(earlier.creation.guid)
            return self._stores.creations.insert_creation(guid, request, owner, fingerprint, key)

        return run_transaction(self._stores.database, work)

    def _settle(self, guid: str, settlement: Callable[[], object]) -> None:
        try:
            settlement()
        except PixyProxyException:
            self._settle_later(guid, settlement)
        else:
            self.end(guid)

    def _settle_later(self, guid: str, settlement: Callable[[], object]) -> None:
        logger.warning("what became of creation %s is noted when the database allows", guid)
        with self._lock:
            self._held.discard(guid)
            self._unsettled[guid] = settlement

    def _hold(self, guid: str) -> None:
        with self._lock:
            self._held.add(guid)
