"""The stores of images: rows, files and the journal."""

from dataclasses import dataclass
from typing import Self

from pixy_data import (
    ContentStore,
    CreationRepository,
    Database,
    DeletionRepository,
    ImageRepository,
    Journal,
    UserRepository,
    UserRepositoryInterface,
)


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
        journal: What is to become a row.
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
            journal: Holds what is to become a row.
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
