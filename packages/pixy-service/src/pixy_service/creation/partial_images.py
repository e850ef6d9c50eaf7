"""Partial images: kept while their image is made, and shown to its owner.

Nothing here may fail or delay the image itself, which is paid for.
"""

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Self

from pixy_core import Creation, CreationStatus, GeneratorResponseError, Image
from pixy_data import PartialImage, PartialImageStore
from pixy_service.pixels.inspection import inspect_image

logger = logging.getLogger(__name__)


class PartialImageKeeper:
    """A context manager that keeps the latest partial image of one creation.

    A thread checks and writes each, and nobody waits for it: its disk may hang.
    """

    def __init__(self, store: PartialImageStore, guid: str) -> None:
        self._store = store
        self._guid = guid
        self._turn = threading.Lock()
        self._latest: deque[bytes] = deque(maxlen=1)
        self._has_taken = False
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # in this order: a thread that writes at this moment looks afterwards, and removes it
        self._ended.set()
        if self._has_taken:
            self._store.delete(self._guid)

    def take(self, content: bytes) -> None:
        """Take the bytes of a partial image, and return at once."""
        self._has_taken = True
        self._latest.append(content)
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._keep,), name="pixy-partial", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            logger.warning("a partial image of %s is not kept: %s", self._guid, error)

    def _keep(self) -> None:
        """Write the latest partial image, unless another thread has done so."""
        with self._turn:
            if self._ended.is_set() or not self._latest:
                return
            content = self._latest.pop()
            try:
                media_type = inspect_image(content).media_type
            except (GeneratorResponseError, MemoryError, OSError):
                logger.warning("a partial image of %s can't be decoded", self._guid)
                return
            self._store.write(self._guid, PartialImage(content, media_type))
            if self._ended.is_set():
                self._store.delete(self._guid)


class PartialImages:
    """The partial images of one user's own creations."""

    def __init__(
        self, store: PartialImageStore, get_details: Callable[[str], Image | Creation]
    ) -> None:
        self._store = store
        self._get_details = get_details

    def has(self, details: Image | Creation) -> bool:
        """Return whether a creation has a partial image; an image has none."""
        return details.status == CreationStatus.PENDING and self._store.has(details.guid)

    def find(self, guid: str) -> PartialImage | Image | None:
        """Return the latest partial image of a creation, its finished image, or None.

        Raises:
            InvalidInputError: `guid` is not a canonical UUID.
            RecordNotFoundError: There is no image or creation that the user may see.
        """
        details = self._get_details(guid)
        if isinstance(details, Image):
            return details
        return self._store.find(details.guid) if details.status == CreationStatus.PENDING else None
