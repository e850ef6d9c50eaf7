"""The stores of images: rows, files and the journal. Tests whether an image could be stored."""

import threading
import time
import uuid
from dataclasses import dataclass
from typing import Self

from pixy_core import StorageUnavailableError
from pixy_data import (
    ContentStore,
    CreationRepository,
    Database,
    DeletionRepository,
    ImageRepository,
    Journal,
    UserRepository,
    UserRepositoryInterface,
    reserve_image,
)

_TRUSTED = 3.0
"""Seconds for which a successful probe is trusted: load balancers ask often."""

_PATIENCE = 2.0
"""Seconds to wait for a probe of another thread."""


@dataclass(frozen=True)
class ImageStores:
    """The stores of one database and one data folder.

    Attributes:
        database: Where transactions run.
        images: The rows of images.
        users: The rows of their owners.
        creations: The rows of creations.
        deletions: The rows of images whose files are to be removed.
        content: The files.
        journal: Images whose rows are not there yet.
    """

    database: Database
    images: ImageRepository
    users: UserRepositoryInterface
    creations: CreationRepository
    deletions: DeletionRepository
    content: ContentStore
    journal: Journal

    @classmethod
    def over(cls, database: Database, content: ContentStore, journal: Journal) -> Self:
        """Return the stores whose rows are in one database.

        Args:
            database: Holds the rows.
            content: Holds the files.
            journal: Holds images whose rows are not there yet.
        """
        return cls(
            database=database,
            images=ImageRepository(database),
            users=UserRepository(database),
            creations=CreationRepository(database),
            deletions=DeletionRepository(database),
            content=content,
            journal=journal,
        )


class StorageProbe:
    """Creates, writes and removes the files of a test image.

    Args:
        stores: Where the image would be stored.
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
