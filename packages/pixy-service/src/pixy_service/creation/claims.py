"""The claims of this process: taken before the provider is asked, settled by its answer.

An outcome that can't be written to the database now is written later, as long as this process
lives. After that the lease of the claim runs out, and recovery decides.
"""

import logging
import threading
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
from pixy_service.creation.idempotency import compute_fingerprint, describe_problem, may_replace
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)


class Claim(NamedTuple):
    """A pending creation of this process, or the earlier creation that answers the request.

    Attributes:
        creation: The creation.
        is_replay: Whether an earlier request with the same key made it.
        key: The request's idempotency key.
        fingerprint: The request's fingerprint.
    """

    creation: Creation
    is_replay: bool
    key: str | None
    fingerprint: str


class _Restorer:
    """Inserts the row of a claim again after a failover has lost it."""

    def __init__(
        self, stores: ImageStores, claim: Claim, request: ImageDetailCreate, owner: User
    ) -> None:
        self._stores = stores
        self._claim = claim
        self._request = request
        self._owner = owner

    def restore(self) -> None:
        """Insert the row if neither it nor its image is there.

        Raises:
            ConstraintViolationError: Its key belongs to another claim by now, or the owner is gone.
        """
        run_transaction(self._stores.database, self._restore)

    def _restore(self) -> None:
        guid = self._claim.creation.guid
        if (
            self._stores.creations.has_creation(guid)
            or self._stores.images.find_image(guid) is not None
        ):
            return
        self._stores.creations.restore_creation(
            guid,
            self._request,
            self._owner,
            self._claim.fingerprint,
            idempotency_key=self._claim.key,
            status=CreationStatus.PENDING,
        )
        logger.error("the database had lost the claim of creation %s; it is there again", guid)


class Claims:
    """Takes claims for this process, keeps their leases, and settles them.

    Args:
        stores: The rows.

    Raises:
        PixyProxyException: From every method that writes: the database failed.
    """

    def __init__(self, stores: ImageStores) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._restorers: dict[str, _Restorer] = {}
        self._restoring = threading.Lock()
        self._at_provider: set[str] = set()
        self._unsettled: dict[str, Callable[[], object]] = {}

    def take(self, guid: str, request: ImageDetailCreate, owner: User, key: str | None) -> Claim:
        """Commit a claim, or find the creation whose image answers the request.

        Args:
            guid: A new one, for the image.
            request: Validated.
            owner: Who asks.
            key: The request's idempotency key.

        Raises:
            IdempotencyKeyInUseError: The first request with this key still runs.
            IdempotencyKeyReusedError: It asked for something else.
            GenerationError: It failed after it was paid for, or may have been.
            ConstraintViolationError: The owner is gone.
        """
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
        claim = Claim(creation, creation.guid != guid, key, compute_fingerprint(request))
        if claim.is_replay:
            self.end(guid)
        else:
            self._restorers[guid] = _Restorer(self._stores, claim, request, owner)
        return claim

    def find_replay(self, request: ImageDetailCreate, owner: User, key: str) -> Creation | None:
        """Find the creation whose image answers a request, without claiming anything.

        Raises:
            PixyProxyException: As `take`.
        """
        earlier = self._stores.creations.find_keyed_creation(owner.username, key)
        if earlier is None:
            return None
        creation, fingerprint = earlier
        is_same_request = fingerprint == compute_fingerprint(request)
        return None if may_replace(creation, is_same_request) else creation

    def mark_asked(self, guid: str) -> None:
        """Note that the provider is about to be asked. A failure here has cost nothing.

        Raises:
            DatabaseBusyError: The claim's lease has run out.
        """
        try:
            is_still_there = self._stores.creations.mark_asked(guid)
        except Exception:
            self._settle(guid, lambda: self._stores.creations.delete_creation(guid))
            raise
        if not is_still_there:
            self.end(guid)
            raise DatabaseBusyError
        with self._restoring:
            self._at_provider.add(guid)

    def note_answer(self, guid: str) -> None:
        """Note that the provider has answered: the row may now be changed or removed."""
        with self._restoring:
            self._at_provider.discard(guid)

    def fail(self, guid: str, error: GenerationError) -> None:
        """Note why there is no image."""
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
        problem, restorer = describe_problem(error), self._restorers.get(guid)

        def note() -> None:
            if not self._stores.creations.fail_creation(guid, status, problem) and restorer:
                _restore(restorer, guid)
                self._stores.creations.fail_creation(guid, status, problem)

        self._settle(guid, note)

    def end(self, guid: str) -> None:
        """Stop extending the lease of a claim; an unknown guid is ignored."""
        self.note_answer(guid)
        with self._lock:
            self._held.discard(guid)
            self._restorers.pop(guid, None)

    def holds(self, guid: str) -> bool:
        """Return whether this process works on a claim."""
        with self._lock:
            return guid in self._held

    def extend(self) -> None:
        """Begin a new lease for each claim of this process."""
        with self._lock:
            held = list(self._held)
        for guid in held:
            if not self._stores.creations.extend_lease(guid):
                self._restore(guid)

    def settle(self) -> None:
        """Tell the database what it could not be told before."""
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
                creation, earlier_fingerprint = earlier
                if not may_replace(creation, earlier_fingerprint == fingerprint):
                    return creation
                self._stores.creations.delete_creation(creation.guid)
            return self._stores.creations.insert_creation(guid, request, owner, fingerprint, key)

        return run_transaction(self._stores.database, work)

    def _restore(self, guid: str) -> None:
        """Insert the row of a claim again if it disappeared while the provider works."""
        with self._restoring:
            if guid not in self._at_provider:
                return
            if not _restore(self._restorers[guid], guid):
                self._at_provider.discard(guid)

    def _settle(self, guid: str, settlement: Callable[[], object]) -> None:
        try:
            settlement()
        except PixyProxyException:
            self._settle_later(guid, settlement)
        else:
            self.end(guid)

    def _settle_later(self, guid: str, settlement: Callable[[], object]) -> None:
        logger.warning("what became of creation %s is noted when the database allows", guid)
        self.end(guid)
        with self._lock:
            self._unsettled[guid] = settlement

    def _hold(self, guid: str) -> None:
        with self._lock:
            self._held.add(guid)


def _restore(restorer: _Restorer, guid: str) -> bool:
    try:
        restorer.restore()
    except ConstraintViolationError:
        logger.critical(
            "the database has lost the claim of creation %s, and its key was used again: "
            "it may be paid for twice",
            guid,
        )
        return False
    return True
