"""The claims of this process: taken before the provider is asked, settled by its answer.

An outcome that can't be written to the database now is written later, as long as this process
lives. After that the lease of the claim runs out, and recovery decides.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pixy_core import (
    ConstraintViolationError,
    Creation,
    CreationStatus,
    DatabaseBusyError,
    DBConnectionError,
    GenerationError,
    GenerationUnknownError,
    IdempotencyKeyInUseError,
    ImageDetailCreate,
    PixyProxyException,
    User,
)
from pixy_data import run_transaction
from pixy_service.creation.attempts import Attempt, Deliveries
from pixy_service.creation.idempotency import compute_fingerprint, describe_problem, may_replace
from pixy_service.creation.provider_limits import ProviderLimits
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)


class Claim(NamedTuple):
    """A pending creation of this process, or the earlier creation that answers the request.

    Attributes:
        creation: The creation.
        is_replay: Whether an earlier request made it: with the same key, or this one is its retry.
        key: The request's idempotency key.
        fingerprint: The request's fingerprint.
        key_id: The API key whose retries may take it over.
    """

    creation: Creation
    is_replay: bool
    key: str | None
    fingerprint: str
    key_id: str | None = None


class _Wanted(NamedTuple):
    """A claim that is to be taken."""

    guid: str
    request: ImageDetailCreate
    owner: User
    key: str | None
    fingerprint: str
    attempt: Attempt | None = None
    asks_provider: bool = True

    @property
    def key_id(self) -> str | None:
        """The API key whose retries may take it over."""
        return None if self.attempt is None else self.attempt.key_id


MayReplace = Callable[[Creation, bool], bool]
"""Returns whether a claim may replace an earlier creation; see `may_replace`."""


class _Request(NamedTuple):
    """What the row of a claim is made of."""

    claim: Claim
    request: ImageDetailCreate
    owner: User


class Claims:
    """Takes claims for this process, keeps their leases, and settles them.

    Args:
        stores: The rows.
        places: As for `ProviderLimits`.

    Raises:
        PixyProxyException: From every method that writes: the database failed.
    """

    def __init__(self, stores: ImageStores, places: int | None = None) -> None:
        self._stores = stores
        self._limits = ProviderLimits(stores, places)
        self._deliveries = Deliveries(stores)
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._requests: dict[str, _Request] = {}
        self._restoring = threading.Lock()
        self._at_provider: set[str] = set()
        self._unsettled: dict[str, Callable[[], object]] = {}

    def take(
        self,
        guid: str,
        request: ImageDetailCreate,
        owner: User,
        key: str | None,
        attempt: Attempt | None = None,
    ) -> Claim:
        """Commit a claim, or find the creation that answers the request.

        Args:
            guid: A new one, for the image.
            request: Validated.
            owner: Who asks.
            key: The request's idempotency key.
            attempt: The attempt of an API client that it belongs to.

        Raises:
            IdempotencyKeyInUseError: The first request with this key still runs, and this is no
                retry of an API client.
            IdempotencyKeyReusedError: It asked for something else.
            GenerationError: It failed after it was paid for, or may have been.
            GenerationBusyError: Every place is taken, or the provider wants a pause.
            ConstraintViolationError: The owner is gone.
        """
        fingerprint = _compute_fingerprint(request, attempt)
        wanted = _Wanted(guid, request, owner, key, fingerprint, attempt)
        return self._claim(wanted, _rule_for(attempt))

    def take_upload(self, guid: str, request: ImageDetailCreate, owner: User, sha256: str) -> Claim:
        """Commit a claim for uploaded bytes, or find the creation whose image has them.

        Args:
            guid: A new one, for the image.
            request: Validated.
            owner: Who uploads.
            sha256: Of the bytes, which are claimed like an idempotency key.

        Raises:
            IdempotencyKeyInUseError: Another upload of these bytes still runs.
            ConstraintViolationError: The owner is gone.
        """
        # no client can send a key that begins with a space
        key = f" upload {sha256}"
        wanted = _Wanted(guid, request, owner, key, sha256, asks_provider=False)
        return self._claim(wanted, self._may_replace_upload)

    def find_replay(
        self,
        request: ImageDetailCreate,
        owner: User,
        key: str | None,
        attempt: Attempt | None = None,
    ) -> Creation | None:
        """Find the creation that answers a request, without claiming anything.

        Raises:
            PixyProxyException: As `take`.
        """
        fingerprint = _compute_fingerprint(request, attempt)
        wanted = _Wanted("", request, owner, key, fingerprint, attempt)

        def work() -> Creation | None:
            return self._find_earlier(wanted, _rule_for(attempt))[0]

        return run_transaction(self._stores.database, work) if key is None else work()

    def withdraw(self, guid: str) -> None:
        """Remove a claim for which the provider was not asked."""
        self._settle(guid, lambda: self._stores.creations.delete_creation(guid))

    def mark_asked(self, guid: str) -> None:
        """Note that the provider is about to be asked. A failure here has cost nothing.

        Raises:
            DatabaseBusyError: The claim's lease has run out.
        """
        try:
            is_still_there = self._stores.creations.mark_asked(guid)
        except Exception:
            self.withdraw(guid)
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
        self._limits.note_refusal(error)
        problem, request = describe_problem(error), self._requests.get(guid)

        def note() -> None:
            if not self._stores.creations.fail_creation(guid, status, problem) and request:
                self._restore(request)
                self._stores.creations.fail_creation(guid, status, problem)

        self._settle(guid, note)

    def end(self, guid: str) -> None:
        """Stop extending the lease of a claim; an unknown guid is ignored."""
        self.note_answer(guid)
        with self._lock:
            self._held.discard(guid)
            self._requests.pop(guid, None)

    def holds(self, guid: str) -> bool:
        """Return whether this process works on a claim."""
        with self._lock:
            return guid in self._held

    def extend(self) -> None:
        """Begin a new lease for each claim of this process."""
        with self._lock:
            held = sorted(self._held)
        for guid in self._stores.creations.extend_leases(held):
            self._restore_held(guid)

    def settle(self) -> None:
        """Tell the database what it could not be told before."""
        with self._lock:
            unsettled = list(self._unsettled.items())
        for guid, settlement in unsettled:
            settlement()
            with self._lock:
                self._unsettled.pop(guid, None)

    def _claim(self, wanted: _Wanted, is_replaceable: MayReplace) -> Claim:
        guid = wanted.guid
        with self._lock:
            self._held.add(guid)
        try:
            try:
                creation = self._take(wanted, is_replaceable)
            except ConstraintViolationError:
                # another request with this key was first, and is found now
                creation = self._take(wanted, is_replaceable)
        except DBConnectionError:
            # the commit may have happened, and only its acknowledgement be lost
            self._settle_later(guid, lambda: self._stores.creations.delete_creation(guid))
            raise
        except BaseException:
            self.end(guid)
            raise
        claim = Claim(
            creation, creation.guid != guid, wanted.key, wanted.fingerprint, wanted.key_id
        )
        if claim.is_replay:
            self.end(guid)
        else:
            if wanted.attempt is not None:
                wanted.attempt.hold(guid, guid)
            self._requests[guid] = _Request(claim, wanted.request, wanted.owner)
        return claim

    def _take(self, wanted: _Wanted, is_replaceable: MayReplace) -> Creation:
        def work() -> Creation:
            answer, replaced = self._find_earlier(wanted, is_replaceable)
            if answer is not None:
                return answer
            if replaced is not None:
                self._stores.creations.delete_creation(replaced.guid)
            return self._insert(wanted)

        return run_transaction(self._stores.database, work)

    def _insert(self, wanted: _Wanted) -> Creation:
        """Insert a claim if the provider's limits allow."""
        if wanted.asks_provider:
            self._limits.check_pause()
        creation = self._stores.creations.insert_creation(
            wanted.guid,
            wanted.request,
            wanted.owner,
            wanted.fingerprint,
            wanted.key,
            key_id=wanted.key_id,
        )
        if wanted.asks_provider:
            self._limits.take_place(wanted.guid)
        return creation

    def _find_earlier(
        self, wanted: _Wanted, is_replaceable: MayReplace
    ) -> tuple[Creation | None, Creation | None]:
        """Return the creation that answers a request, and the one that it replaces."""
        owner, attempt = wanted.owner, wanted.attempt
        if wanted.key is None:
            if attempt is None or not attempt.is_retry:
                return None, None
            return self._deliveries.take_over(owner, wanted.fingerprint, attempt), None
        earlier = self._stores.creations.find_keyed_creation(owner.username, wanted.key)
        if earlier is None:
            return None, None
        creation, fingerprint = earlier
        if is_replaceable(creation, fingerprint == wanted.fingerprint):
            return None, creation
        if attempt is not None:
            attempt.hold(creation.guid, creation.guid)
        return creation, None

    def _may_replace_upload(self, creation: Creation, is_same_request: bool) -> bool:
        """Return whether an upload may replace an earlier one of the same bytes.

        Raises:
            IdempotencyKeyInUseError: The earlier one still runs.
        """
        del is_same_request
        if creation.status == CreationStatus.PENDING:
            raise IdempotencyKeyInUseError
        # its image was deleted, or its bytes were lost
        return self._stores.images.find_image(creation.guid) is None

    def _restore_held(self, guid: str) -> None:
        """Insert the row of a claim again if it disappeared while the provider works."""
        with self._restoring:
            if guid not in self._at_provider:
                return
            if not self._restore(self._requests[guid]):
                self._at_provider.discard(guid)

    def _restore(self, lost: _Request) -> bool:
        """Insert the row of a claim again after a failover has lost it.

        Returns:
            False if its key belongs to another claim by now, or the owner is gone.
        """
        guid = lost.claim.creation.guid
        try:
            run_transaction(self._stores.database, lambda: self._insert_again(guid, lost))
        except ConstraintViolationError:
            logger.critical(
                "the database has lost the claim of creation %s, and its key was used again: "
                "it may be paid for twice",
                guid,
            )
            return False
        return True

    def _insert_again(self, guid: str, lost: _Request) -> None:
        creations = self._stores.creations
        if creations.has_creation(guid) or self._stores.images.find_image(guid) is not None:
            return
        creations.restore_creation(
            guid,
            lost.request,
            lost.owner,
            lost.claim.fingerprint,
            idempotency_key=lost.claim.key,
            key_id=lost.claim.key_id,
            status=CreationStatus.PENDING,
        )
        logger.error("the database had lost the claim of creation %s; it is there again", guid)

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


def _compute_fingerprint(request: ImageDetailCreate, attempt: Attempt | None) -> str:
    if attempt is None:
        return compute_fingerprint(request)
    return compute_fingerprint(request, attempt.index, attempt.count)


def _rule_for(attempt: Attempt | None) -> MayReplace:
    """Return the rule for an earlier creation with the same key; a retry waits for it."""
    return partial(may_replace, waits_for_pending=attempt is not None and attempt.is_retry)
