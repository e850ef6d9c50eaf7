"""Images for signed-in users: public ones, those of the user's class, and the user's own."""

from concurrent.futures import Future
from dataclasses import dataclass

from pixy_core import (
    Creation,
    CreationStatus,
    Image,
    ImageDetailCreate,
    ImageFilter,
    ImagePendingError,
    PermissionDeniedError,
    RecordNotFoundError,
    User,
    Visibility,
)
from pixy_data import Position, run_transaction
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.partial_images import PartialImages
from pixy_service.creation.results import Created, CreationPage, Submission, require_image
from pixy_service.creation.slots import GenerationExecutor
from pixy_service.cursors import Cursors
from pixy_service.images.deletion import ImageRemover
from pixy_service.images.reading import ImageReader
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.stores import ImageStores
from pixy_service.validation import (
    validate_create,
    validate_guid,
    validate_idempotency_key,
    validate_limit,
    validate_visibility,
)


@dataclass(frozen=True)
class ImageTools:
    """What the private services of all users share."""

    stores: ImageStores
    claims: Claims
    thumbnails: Thumbnails
    creator: ImageCreator
    remover: ImageRemover
    executor: GenerationExecutor
    max_prompt_length: int


class PrivateImageService(ImageReader):
    """What one user may do: make images, read visible ones, and change the user's own.

    Args:
        tools: What all users share.
        user: The user, whose credentials have been checked.
    """

    def __init__(self, tools: ImageTools, user: User) -> None:
        self._tools = tools
        self._user = user
        cursors = self._make_cursors(f"user:{user.username}")
        super().__init__(tools.stores.content, tools.thumbnails, cursors)

    @property
    def partials(self) -> PartialImages:
        """The partial images of the user's own creations. Storing it would be a reference cycle."""
        return PartialImages(self._tools.stores.content.partials, self.get_details)

    def create_image(self, image: ImageDetailCreate) -> Image:
        """Make an image from a prompt, store it, and return it.

        Args:
            image: The prompt and the visibility; an ImageRequest also has size and quality.

        Raises:
            GenerationError: All slots are taken, or the image could not be made.
            ImagePendingError: It is safe on disk and waits for the database.
            StorageUnavailableError: Its bytes can't be stored.
            ServiceClosedError: The service is shutting down.
        """
        created = self.submit_image(image).created.result()
        if isinstance(created.image, Creation):
            raise ImagePendingError
        return created.image

    def submit_image(
        self, image: ImageDetailCreate, idempotency_key: str | None = None
    ) -> Submission:
        """Start to make an image, and return at once.

        Args:
            image: As for `create_image`.
            idempotency_key: The caller's own name for the request. Requests with the same key are
                run, and paid for, once.

        Raises:
            InvalidInputError: A value breaks a rule.
            GenerationBusyError: All slots are taken.
            ServiceClosedError: The service is shutting down.
        """
        request = validate_create(image, self._tools.max_prompt_length)
        self._tools.creator.check(request)
        key = None if idempotency_key is None else validate_idempotency_key(idempotency_key)
        creator, user = self._tools.creator, self._user
        asked: Future[Creation] = Future()
        asked.set_running_or_notify_cancel()
        created = self._tools.executor.submit(
            lambda: creator.create(request, user, key, asked.set_result)
        )
        return Submission(asked, created)

    def find_replay(self, image: ImageDetailCreate, idempotency_key: str) -> Created | None:
        """Return the result of an earlier request with the same key; None if this one is to run.

        It needs no slot, so it works while all are taken.

        Raises:
            IdempotencyKeyInUseError: The earlier request still runs.
            IdempotencyKeyReusedError: It asked for something else.
            GenerationError: It failed after it was paid for, or may have been.
            ImageDeletedError: Its image has been deleted.
        """
        request = validate_create(image, self._tools.max_prompt_length)
        key = validate_idempotency_key(idempotency_key)
        creation = self._tools.claims.find_replay(request, self._user, key)
        return None if creation is None else self._tools.creator.replay(creation)

    def get_details(self, guid: str) -> Image | Creation:
        """Return an image that the user may see, or an own creation without an image.

        Raises:
            RecordNotFoundError: There is neither.
        """
        guid = validate_guid(guid)
        # a creation may become an image between the first two queries
        details = self._find_image(guid) or self._find_creation(guid) or self._find_image(guid)
        if details is None:
            raise RecordNotFoundError
        return details

    def get_image_by_guid(self, guid: str) -> Image:
        """Return an image that the user may see.

        Raises:
            RecordNotFoundError: There is none.
            ImagePendingError: It is the user's own, and is still being made.
        """
        return require_image(self.get_details(guid))

    def list_creations(
        self, status: CreationStatus, limit: int, cursor: str | None = None
    ) -> CreationPage:
        """Return a page of the user's own creations of one status, newest first.

        Args:
            status: Pending, failed or unknown; a ready one is an image.
            limit: 1 to MAX_PAGE_SIZE creations.
            cursor: The `next_cursor` of the page before; None for the first page.
        """
        limit, owner = validate_limit(limit), self._user.username
        cursors = self._make_cursors(f"user:{owner}:{status}")
        after = None if cursor is None else cursors.decode(cursor)
        # one more than asked for tells whether the list goes on
        found = self._tools.stores.creations.list_creations(owner, status, limit + 1, after)
        if len(found) <= limit:
            return CreationPage(found, None)
        last = Position(found[limit - 1].created_at, found[limit - 1].guid)
        return CreationPage(found[:limit], cursors.encode(last))

    def change_visibility(self, guid: str, visibility: Visibility) -> Image:
        """Change who may see an own image, and return the image.

        Raises:
            RecordNotFoundError: There is none that the user may see.
            PermissionDeniedError: It belongs to another user.
            ImagePendingError: It is still being made.
        """
        guid, visibility = validate_guid(guid), validate_visibility(visibility)
        return run_transaction(self._tools.stores.database, lambda: self._change(guid, visibility))

    def delete_image(self, guid: str) -> None:
        """Delete an own image for good, or the record of a failed creation.

        Raises:
            RecordNotFoundError: There is none that the user may see.
            PermissionDeniedError: It belongs to another user.
            ImagePendingError: It is still being made.
        """
        self._tools.remover.delete(validate_guid(guid), self._user)

    def _change(self, guid: str, visibility: Visibility) -> Image:
        changed = self._tools.stores.images.update_visibility(guid, self._user.username, visibility)
        image = self.get_image_by_guid(guid)
        if not changed:
            raise PermissionDeniedError
        return image

    def _make_cursors(self, scope: str) -> Cursors:
        stores = self._tools.stores
        return Cursors(lambda: stores.database.secret("cursor"), scope)

    def _find_creation(self, guid: str) -> Creation | None:
        """Return an own creation without an image."""
        creation = self._tools.stores.creations.find_creation(guid, self._user.username)
        return None if creation is None or creation.status == CreationStatus.READY else creation

    def _find_image(self, guid: str) -> Image | None:
        return self._tools.stores.images.find_visible_image(guid, self._user)

    def _list_images(self, limit: int, after: Position | None) -> list[Image]:
        return self._tools.stores.images.list_visible_images(self._user, limit, after)

    def _search_images(self, match: ImageFilter, limit: int, after: Position | None) -> list[Image]:
        return self._tools.stores.images.search_images(match, self._user, limit, after)
