"""The places for uploads: how many are received at once, in all and for one user."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pixy_web.threads.threads import UploadsBusyError


class UploadPlaces:
    """Counts uploads on the event loop. One user gets at most half of the places.

    Args:
        limit: Number of places, at least 1.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._share = max(1, limit // 2)
        self._taken = Counter[str]()

    @contextmanager
    def take(self, user: str) -> Iterator[None]:
        """Hold a place for a user until the block is left.

        Raises:
            UploadsBusyError: There is none for this user.
        """
        if self._taken.total() >= self._limit or self._taken[user] >= self._share:
            raise UploadsBusyError
        self._taken[user] += 1
        try:
            yield
        finally:
            self._taken[user] -= 1
            # without its users of yesterday
            self._taken += Counter()
