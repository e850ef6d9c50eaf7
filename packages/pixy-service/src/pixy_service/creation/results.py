"""What callers are given of a creation: its result, its futures, a page of a list."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from pixy_core import Creation, CreationStatus, Image, ImagePendingError, RecordNotFoundError


class Created(NamedTuple):
    """The result of a create.

    Attributes:
        image: The image, or its creation if it is safe on disk and waits for the database.
        is_replay: Whether an earlier request with the same idempotency key made it.
    """

    image: Image | Creation
    is_replay: bool = False


@dataclass(frozen=True)
class Submission:
    """A running create. Its futures can't be cancelled.

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
