"""Tests whether an image could be stored now, by writing one."""

import threading
import time
import uuid

from pixy_core import StorageUnavailableError
from pixy_data import reserve_image
from pixy_service.stores import ImageStores

_TRUSTED = 3.0
"""Seconds for which a try that succeeded is not repeated: load balancers ask often."""

_PATIENCE = 2.0
"""Seconds to wait for a try that another thread is making."""


class StorageProbe:
    """Creates, writes and removes the files of a test image.

    Args:
        stores: Where.
    """

    def __init__(self, stores: ImageStores) -> None:
        self._stores = stores
        self._turn = threading.Lock()
        self._trusted_until = 0.0

    def check(self) -> None:
        """Return if an image could be stored now.

        Raises:
            StoreMismatchError: The image folder belongs to another database.
            StorageUnavailableError: An image can't be stored, or the disk does not answer.
        """
        self._stores.content.check_room()
        if not self._turn.acquire(timeout=_PATIENCE):
            raise StorageUnavailableError
        try:
            if time.monotonic() >= self._trusted_until:
                self._try()
                self._trusted_until = time.monotonic() + _TRUSTED
        finally:
            self._turn.release()

    def _try(self) -> None:
        guid = str(uuid.uuid4())
        content, journal = self._stores.content, self._stores.journal
        with reserve_image(content, journal, guid, 0) as reservation:
            reservation.probe()
