"""Images for signed-in users: public ones, those of the user's class, and the user's own."""

import shutil
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pixy_core import (
    Creation,
    CreationStatus,
    DetailedImage,
    Image,
    ImageDetailCreate,
    ImageFilter,
    ImagePendingError,
    ImageSource,
    PermissionDeniedError,
    RecordNotFoundError,
    User,
    Visibility,
)
from pixy_data import Position, SpooledFile, run_transaction
from pixy_service.creation.attempts import Attempt, Deliveries
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import Created, ImageCreator
from pixy_service.creation.partial_images import PartialImages
from pixy_service.creation.slots import GenerationExecutor
from pixy_service.creation.sources import check_mask
from pixy_service.creation.uploads import ImageUploader, Uploaded
from pixy_service.cursors import Cursors
from pixy_service.images.deletion import ImageRemover
from pixy_service.images.reading import ImageReader, cut_page
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.pixels.inspection import ImageProperties
from pixy_service.stores import ImageStores
from pixy_service.validation import (
    validate_create,
    validate_guid,
    validate_idempotency_key,
    validate_limit,
    validate_visibility,
)


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


@dataclass(frozen=True)
class ImageTools:
    """What the private services of all users share."""

    stores: ImageStores
    claims: Claims
    thumbnails: Thumbnails
    creator: ImageCreator
    uploader: ImageUploader
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
    def username(self) -> str:
        """The user's name."""
        return self._user.username

    @property
    def partials(self) -> PartialImages:
        """The partial images of the user's own creations. Storing it would be a reference cycle."""
        return PartialImages(self._tools.stores.content.partials, self.get_details)

    def create_image(self, image: ImageDetailCreate) -> DetailedImage:
        """Make an image from a prompt, store it, and return it.

        Args:
            image: The prompt and the visibility; an ImageRequest also has the options, and the
                images that it is made from.

        Raises:
            RecordNotFoundError: A source is no image that the user may see.
            InvalidInputError: A value breaks a rule, or the mask does not fit the first source.
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
        self,
        image: ImageDetailCreate,
        idempotency_key: str | None = None,
        attempt: Attempt | None = None,
    ) -> Submission:
        """Start to make an image, and return at once.

        Args:
            image: As for `create_image`.
            idempotency_key: The caller's own name for the request. Requests with the same key are
                run, and paid for, once.
            attempt: The attempt of an API client; a retry may get a pending creation of an earlier
                one, to `follow`.

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
            lambda: creator.create(request, user, key, asked.set_result, attempt)
        )
        return Submission(asked, created)

    def upload_image(self, file: Path | BinaryIO, prompt: str | None = None) -> DetailedImage:
        """Keep an image file as a private image, byte for byte.

        The user's earlier upload of the same bytes is returned as it is.

        Args:
            file: The path of a PNG, JPEG or WebP, or such a file that is open for reading.
            prompt: Its caption; None for the file's name.

        Raises:
            InvalidInputError: It is not an image, or not one that is kept.
            FileTooLargeError: It has too many bytes.
            ImagePendingError: It is safe on disk and waits for the database.
            StorageUnavailableError: It can't be stored.
            OSError: The path can't be read.
        """
        if isinstance(file, Path):
            with file.open("rb") as opened:
                return self.upload_image(opened, prompt)
        with self.open_upload() as upload:
            shutil.copyfileobj(file, upload, 1 << 20)
            name = getattr(file, "name", None)
            uploaded = self.keep_upload(upload, prompt, name if isinstance(name, str) else None)
        if isinstance(uploaded.image, Creation):
            raise ImagePendingError
        return uploaded.image

    def open_upload(self, size: int | None = None) -> SpooledFile:
        """Return an empty file for the blocks of an upload; closing it removes it.

        Args:
            size: The bytes that will come, if that is known.

        Raises:
            StorageUnavailableError: The disk has no space for them.
        """
        return self._tools.uploader.spool(size)

    def check_caption(self, prompt: str) -> None:
        """Return if an upload may have this caption.

        Raises:
            InvalidInputError: It breaks a rule of prompts.
        """
        self._tools.uploader.describe(prompt, None)

    def check_upload(
        self, file: SpooledFile, mask_of: ImageProperties | None = None
    ) -> ImageProperties:
        """Return what a file of `open_upload` is, without keeping it.

        Args:
            file: The file; it stays open.
            mask_of: The first source, if the file is a mask for it.

        Raises:
            InvalidInputError: It is not an image that is kept, or not a mask that fits.
            StorageUnavailableError: There is not enough memory to tell.
        """
        properties = self._tools.uploader.check(file)
        if mask_of is not None:
            check_mask(properties, mask_of, file)
        return properties

    def keep_upload(
        self,
        file: SpooledFile,
        prompt: str | None = None,
        filename: str | None = None,
        properties: ImageProperties | None = None,
    ) -> Uploaded:
        """Keep a file of `open_upload` as `upload_image` does, once all of it is written.

        Args:
            file: The file; it stays open.
            prompt: The image's caption; None for the file's name.
            filename: The file's name, perhaps with folders; None if it has none.
            properties: From `check_upload`; None if the file was not checked yet.

        Raises:
            PixyProxyException: As `upload_image`.
        """
        uploader = self._tools.uploader
        return uploader.keep(file, uploader.describe(prompt, filename), self._user, properties)

    def find_replay(
        self,
        image: ImageDetailCreate,
        idempotency_key: str | None,
        attempt: Attempt | None = None,
    ) -> Created | None:
        """Return the result of an earlier request; None if this one is to run.

        It needs no slot, so it works while all are taken.

        Args:
            image: As for `create_image`.
            idempotency_key: As for `submit_image`.
            attempt: As for `submit_image`; a retry waits for an earlier request that still runs.

        Raises:
            IdempotencyKeyInUseError: The earlier request still runs.
            IdempotencyKeyReusedError: It asked for something else.
            GenerationError: It failed after it was paid for, or may have been.
            ImageDeletedError: Its image has been deleted.
        """
        request = validate_create(image, self._tools.max_prompt_length)
        key = None if idempotency_key is None else validate_idempotency_key(idempotency_key)
        creation = self._tools.claims.find_replay(request, self._user, key, attempt)
        return None if creation is None else self._tools.creator.replay(creation)

    def follow(self, attempt: Attempt) -> Created | None:
        """Look at the creation that answers an attempt; None while it is pending.

        Raises:
            RecordNotFoundError: It is gone, and the provider was not asked: make another one.
            GenerationError: It has failed.
            ImageDeletedError: Its image has been deleted.
        """
        guid = attempt.guid or ""
        creation = self._tools.stores.creations.find_creation(guid, self._user.username)
        if creation is None:
            raise RecordNotFoundError
        if creation.status == CreationStatus.PENDING:
            return None
        return self._tools.creator.replay(creation)

    def note_delivery(self, attempt: Attempt) -> None:
        """Note that a client has the whole answer of an attempt: no retry gets it again."""
        Deliveries(self._tools.stores).note(attempt)

    def release(self, attempt: Attempt) -> None:
        """Note that a client left before it had the whole answer: its retry gets it first."""
        Deliveries(self._tools.stores).release(attempt)

    def get_details(self, guid: str) -> DetailedImage | Creation:
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

    def get_image_by_guid(self, guid: str) -> DetailedImage:
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
        return CreationPage(*cut_page(found, limit, cursors))

    def change_visibility(self, guid: str, visibility: Visibility) -> DetailedImage:
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

    def _change(self, guid: str, visibility: Visibility) -> DetailedImage:
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

    def _find_image(self, guid: str) -> DetailedImage | None:
        return self._tools.stores.images.find_visible_image(guid, self._user)

    def _list_images(self, limit: int, after: Position | None) -> list[Image]:
        return self._tools.stores.images.list_visible_images(self._user, limit, after)

    def _list_derived(self, guid: str, limit: int, after: Position | None) -> list[Image]:
        return self._tools.stores.images.list_visible_derived(guid, self._user, limit, after)

    def _list_sources(self, image: Image) -> list[ImageSource]:
        sources = self._tools.stores.images.sources
        if image.owner == self._user.username:
            return sources.list_sources(image.guid)
        return sources.list_visible_sources(image.guid, self._user)

    def _search_images(self, match: ImageFilter, limit: int, after: Position | None) -> list[Image]:
        return self._tools.stores.images.search_images(match, self._user, limit, after)


def require_image(details: DetailedImage | Creation) -> DetailedImage:
    """Return an image; refuse a creation that has none.

    Raises:
        ImagePendingError: The image is still being made.
        RecordNotFoundError: There is no image, or nobody knows.
    """
    if isinstance(details, DetailedImage):
        return details
    if details.status == CreationStatus.PENDING:
        raise ImagePendingError
    raise RecordNotFoundError
