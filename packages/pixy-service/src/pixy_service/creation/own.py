"""Creations as their owners see them: pending, failed and unknown. Ready ones are images."""

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
    """A running request for an image. Its futures can't be cancelled.

    Attributes:
        asked: The creation, set just before the provider is asked; never if it ends before that.
        created: The result; its exception is a PixyProxyException.
    """

    asked: Future[Creation]
    created: Future[Created]


@dataclass(frozen=True)
class CreationPage:
    """A page of a list of creations.

    Attributes:
        creations: Newest first; at most as many as the limit.
        next_cursor: The cursor of the next page; None on the last.
    """

    creations: list[Creation]
    next_cursor: str | None


class OwnCreations:
    """The creations of one user.

    Args:
        database: Holds the key that signs cursors.
        creations: The rows.
        user: The user.
    """

    def __init__(self, database: Database, creations: CreationRepository, user: User) -> None:
        self._database = database
        self._creations = creations
        self._owner = user.username

    def find(self, guid: str) -> Creation | None:
        """Return a creation that has no image; None if there is none."""
        creation = self._creations.find_creation(guid, self._owner)
        return None if creation is None or creation.status == CreationStatus.READY else creation

    def list(self, status: CreationStatus, limit: int, cursor: str | None) -> CreationPage:
        """Return a page of the creations of one status, newest first.

        Args:
            status: The status.
            limit: 1 to MAX_PAGE_SIZE creations.
            cursor: The `next_cursor` of the page before; None for the first page.

        Raises:
            InvalidInputError: The limit is out of range, or the cursor belongs to another list.
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
    """Return an image; refuse a creation that has none.

    Raises:
        ImagePendingError: The image is still being made.
        RecordNotFoundError: There is no image, or nobody knows.
    """
    if isinstance(details, Image):
        return details
    if details.status == CreationStatus.PENDING:
        raise ImagePendingError
    raise RecordNotFoundError
