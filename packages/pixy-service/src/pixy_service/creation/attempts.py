"""Attempts of API clients to get an image: a retry gets what an earlier attempt has bought.

Clients repeat a request that got no answer, and say only that it is a retry. It takes over a
creation of the same API key and the same request that no answer has delivered
(docs/decisions/0015-retries-take-over.md).
"""

import uuid
from collections.abc import Callable

from pixy_core import Creation, DatabaseBusyError, User
from pixy_data import RELEASED
from pixy_service.creation.idempotency import is_free_failure
from pixy_service.generators.interface import OnPartial, ignore_partial
from pixy_service.stores import ImageStores


def _stays() -> bool:
    return False


class Attempt:
    """One attempt of an API client to get one image, and the creation that answers it.

    Attributes:
        key_id: The client's API key.
        is_retry: Whether the client says that it has asked before.
        index: Which of the request's images it is, from 0.
        count: How many images the request asks for.
        has_left: Returns whether the client is gone. If so, the provider is not asked any more.
        partial_images: Number of partial images to make; None for the generator's own.
        on_partial: Called with the bytes of each, which nobody has checked; it returns at once.
        guid: The creation that answers it; None until one is made or taken over.
        taker: By which it holds that creation.
    """

    def __init__(
        self,
        key_id: str,
        *,
        is_retry: bool,
        index: int = 0,
        count: int = 1,
        has_left: Callable[[], bool] = _stays,
        partial_images: int | None = None,
        on_partial: OnPartial = ignore_partial,
    ) -> None:
        self.key_id = key_id
        self.is_retry = is_retry
        self.index = index
        self.count = count
        self.has_left = has_left
        self.partial_images = partial_images
        self.on_partial = on_partial
        self.token = str(uuid.uuid4())
        self.guid: str | None = None
        self.taker = ""

    def hold(self, guid: str, taker: str) -> None:
        """Note which creation answers it."""
        self.guid, self.taker = guid, taker


def share_partials(take: OnPartial, attempt: Attempt | None) -> OnPartial:
    """Return a function that also gives partial images to an attempt."""
    if attempt is None:
        return take

    def take_both(content: bytes) -> None:
        take(content)
        attempt.on_partial(content)

    return take_both


class Deliveries:
    """Hands undelivered creations to retries, and notes what was delivered.

    Args:
        stores: The rows.

    Raises:
        PixyProxyException: From every method: the database failed.
    """

    def __init__(self, stores: ImageStores) -> None:
        self._stores = stores

    def take_over(self, owner: User, fingerprint: str, attempt: Attempt) -> Creation | None:
        """Take the creation that answers a retry over; None if it is to make one.

        It runs in a transaction, until whose end no other retry can do so.
        """
        deliveries = self._stores.deliveries
        while found := deliveries.find_undelivered(owner.username, attempt.key_id, fingerprint):
            creation, taker = found
            if is_free_failure(creation):
                # no answer any more, since the request may be run again
                deliveries.note_delivery(creation.guid)
            else:
                if not deliveries.take_over(creation.guid, taker, attempt.token):
                    # outside a transaction
                    raise DatabaseBusyError
                attempt.hold(creation.guid, attempt.token)
                return creation
        return None

    def note(self, attempt: Attempt) -> None:
        """Note that the whole answer went out to a client that was still there."""
        if attempt.guid is not None:
            self._stores.deliveries.note_delivery(attempt.guid)

    def release(self, attempt: Attempt) -> None:
        """Note that the client left before the end of the answer: a retry takes it first."""
        if attempt.guid is not None:
            self._stores.deliveries.take_over(attempt.guid, attempt.taker, RELEASED)
