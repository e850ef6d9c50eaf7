"""Creations as their owner sees them: what is being made, what failed, and what nobody knows.

Nobody else is shown any. What is ready is an image.
"""

from concurrent.futures import Future
from dataclasses import dataclass

from pixy_core import (
    Creation,
    CreationStatus,
    Image,
    ImagePendingError,
    RecordNotFoundError,
    User,
)
from pixy_data import CreationRepository, Database, Position
from pixy_service.creation.creator import Created
from pixy_service.cursors import Cursors
from pixy_service.validation import validate_limit


@dataclass(frozen=True)
class Submission:
    """A request for an image that runs, whatever becomes of its caller.

    Attributes:
        asked: The creation, just before the provider is asked; never, when it ends before that.
        created: What it made; its exception is a PixyProxyException.

    Neither can be cancelled.
    """

    asked: Future[Creation]
    created: Future[Created]


@dataclass(frozen=True)
class CreationPage:
    """A part of a list of creations.

    Attributes:
        creations: Newest first; never more than the limit that was asked for.
        next_cursor: Where the list goes on, or None at its end.
    """

    creations: list[Creation]
    next_cursor: str | None


class OwnCreations:
    """The creations of one user.

    Args:
        database: Holds the key that signs cursors.
        creations: The rows.
        user: Whose they are.
    """

    def __init__(self, database: Database, creations: CreationRepository, user: User) -> None:
        self._database = database
        self._creations = creations
        self._owner = user.username

    def find(self, guid: str) -> Creation | None:
        """Return a creation that has not become an image.

        Args:
            guid: Validated.

        Raises:
            DBConnectionError: The database can't be reached.
        """
        creation = self._creations.find_creation(guid, self._owner)
        return None if creation is None or creation.status == CreationStatus.READY else creation

    def list(self, status: CreationStatus, limit: int, cursor: str | None) -> CreationPage:
        """Return a page of the creations of one status, newest first.

        Args:
            status: Which ones.
            limit: 1 to MAX_PAGE_SIZE creations.
            cursor: The `next_cursor` of the page before; None for the first page.

        Raises:
            InvalidInputError: The limit is out of range, or the cursor not one of this list.
            DBConnectionError: The database can't be reached.
        """
        limit = validate_limit(limit)
        cursors = Cursors(lambda: self._database.secret("cursor"), f"user:{self._owner}:{status}")
        after = None if cursor is None else cursors.decode(cursor)
        # one more than asked for tells whether the list goes on
        found = self._creations.list_creations(self._owner, status, limit + 1, after)
        if len(found) <= limit:
            return CreationPage(found, None)
        last = Position(found[limit - 1].created_at, found[limit - 1].guid)
        return CreationPage(found[:limit], cursors.encode(last))


def require_image(details: Image | Creation) -> Image:
    """Return the details of an image, and refuse those of a creation that is none yet.

    Args:
        details: What a user may see.

    Raises:
        ImagePendingError: It is still being made.
        RecordNotFoundError: There won't be an image, or nobody knows.
    """
    if isinstance(details, Image):
        return details
    if details.status == CreationStatus.PENDING:
        raise ImagePendingError
    raise RecordNotFoundError
