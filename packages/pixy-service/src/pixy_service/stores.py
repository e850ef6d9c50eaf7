"""The stores of images: rows and bytes. Tests whether an image could be stored."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pixy_core import ConfigurationError, StorageUnavailableError
from pixy_data import (
    ApiKeyRepository,
    ContentStore,
    CreationRepository,
    Database,
    DeletionRepository,
    DeliveryRepository,
    ImageRepository,
    ProviderLimitRepository,
    UserRepository,
    UserRepositoryInterface,
    open_content,
)

_TRUSTED = 3.0
"""Seconds for which a successful probe is trusted: load balancers ask often."""

_PATIENCE = 2.0
"""Seconds to wait for a probe of another thread."""


@dataclass(frozen=True)
class ImageStores:
    """The stores of one database and one content store.

    Attributes:
        database: Where transactions run.
        images: The rows of images.
        users: The rows of their owners.
        keys: The rows of API keys.
        creations: The rows of creations.
        deliveries: The rows of creations that no answer has delivered.
        deletions: The rows of images whose files are to be removed.
        provider_limits: The places at the provider, and its pause.
        content: The bytes, and images whose rows are not there yet.
    """

    database: Database
    images: ImageRepository
    users: UserRepositoryInterface
    keys: ApiKeyRepository
    creations: CreationRepository
    deliveries: DeliveryRepository
    deletions: DeletionRepository
    provider_limits: ProviderLimitRepository
    content: ContentStore

    @classmethod
    def over(cls, database: Database, content: ContentStore) -> Self:
        """Return the stores whose rows are in one database."""
        return cls(
            database=database,
            images=ImageRepository(database),
            users=UserRepository(database),
            keys=ApiKeyRepository(database),
            creations=CreationRepository(database),
            deliveries=DeliveryRepository(database),
            deletions=DeletionRepository(database),
            provider_limits=ProviderLimitRepository(database),
            content=content,
        )


def open_stores(database: Database, data_dir: Path, content: str | None) -> ImageStores:
    """Return the stores of an installation, which may be new; nothing connects.

    Args:
        database: Its database.
        data_dir: Its data folder. With a bucket, it is for uploads that are on their way to it.
        content: The bucket, if there is one.

    Raises:
        ConfigurationError: The folder can't be created, or the bucket's URL can't be used.
    """
    make_folder(data_dir / ("images" if content is None else "spool"))
    return ImageStores.over(database, open_content(database, data_dir, content))


def make_folder(folder: Path, advice: str = "set PIXY_DATA_DIR to") -> None:
    """Create a folder in a data folder, unless it exists.

    Args:
        folder: Its path.
        advice: How to name another data folder, for the error.

    Raises:
        ConfigurationError: It can't be created.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o750, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} can't be made: {error.strerror}; "
            f"{advice} a folder that this process may write to"
        ) from error


class StorageProbe:
    """Creates, writes and removes the files of a test image."""

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
                self._stores.content.probe()
                self._trusted_until = time.monotonic() + _TRUSTED
        finally:
            self._turn.release()
