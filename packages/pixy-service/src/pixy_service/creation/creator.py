"""The order of a create: reserve files, claim, ask the provider, keep the bytes, adopt.

The provider is asked at most once for a claim. Once the journal entry is written, the image can't
be lost (docs/decisions/0005-create-order.md has the order and the reasons).
"""

import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from pixy_core import (
    Creation,
    GenerationError,
    GenerationUnknownError,
    Image,
    ImageDeletedError,
    ImageDetail,
    ImageDetailCreate,
    ImageNotStoredError,
    ImageRequest,
    PixyProxyException,
    StorageUnavailableError,
    User,
)
from pixy_core.images import read_size
from pixy_data import JournalEntry, Reservation, StoredContent, reserve_image
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claim, Claims
from pixy_service.creation.partial_images import PartialImageKeeper
from pixy_service.creation.quarantine import keep_answer
from pixy_service.creation.results import Created
from pixy_service.generators.interface import GeneratedImage, ImageGenerator, OnPartial
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 180.0
"""Seconds from the start of a generation until its image is given up."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
"""Seconds between two tries to store an image."""

_USUAL_SIZE = (1536, 1024)
"""Pixels of an image whose size the model chooses."""


class ImageCreator:
    """Makes images; one call runs from start to end in one thread.

    Args:
        stores: Rows, files and the journal.
        claims: The claims of this process.
        adopter: Makes images visible.
        generator: Makes the bytes.
        timeout: Seconds from the start of a generation. Until then, storing an image is tried
            again.
    """

    def __init__(
        self,
        stores: ImageStores,
        claims: Claims,
        adopter: ImageAdopter,
        generator: ImageGenerator,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._timeout = timeout
        self._stores = stores
        self._claims = claims
        self._adopter = adopter
        self._generator = generator

    def create(
        self,
        request: ImageDetailCreate,
        owner: User,
        key: str | None = None,
        on_asked: Callable[[Creation], object] = lambda _: None,
    ) -> Created:
        """Make an image from a validated request, store it and return it.

        No database connection is held while the generator works.

        Args:
            request: What is asked for.
            owner: The image's owner.
            key: The request's idempotency key.
            on_asked: Called with the creation just before the provider is asked.

        Raises:
            DBConnectionError: The database can't be reached; the provider was not asked.
            StorageUnavailableError: Files can't be written; the provider was not asked.
            GenerationError: There is no image.
            IdempotencyKeyInUseError: The first request with this key still runs.
            IdempotencyKeyReusedError: It asked for something else.
            ImageDeletedError: Its image has been deleted.
            ConstraintViolationError: The owner is gone.
            PixyProxyException: Another failure; without a class of its own it is a bug.
        """
        guid = str(uuid.uuid4())
        stores, size = self._stores, _estimate_size(request)
        try:
            with reserve_image(stores.content, stores.journal, guid, size) as reservation:
                claim = self._claims.take(guid, request, owner, key)
                if claim.is_replay:
                    return self.replay(claim.creation)
                return Created(self._make(claim, owner, on_asked, reservation))
        except PixyProxyException:
            raise
        except Exception as error:
            logger.exception("an image could not be made")
            raise PixyProxyException from error

    def check(self, request: ImageRequest) -> None:
        """Return if the generator supports the size and quality of a request.

        Raises:
            InvalidInputError: It does not.
        """
        self._generator.check(request.size, request.quality)

    def replay(self, creation: Creation) -> Created:
        """Return the image of an earlier creation with the same key.

        Raises:
            ImageDeletedError: It has been deleted.
        """
        image = self._stores.images.find_image(creation.guid)
        if image is None:
            raise ImageDeletedError
        return Created(image, is_replay=True)

    def _make(
        self,
        claim: Claim,
        owner: User,
        on_asked: Callable[[Creation], object],
        reservation: Reservation,
    ) -> Image | Creation:
        creation = claim.creation
        try:
            self._claims.mark_asked(creation.guid)
            on_asked(creation)
            deadline = time.monotonic() + self._timeout
            with PartialImageKeeper(self._stores.content.partials, creation.guid) as keeper:
                generated = self._generate(creation, keeper.take)
                self._claims.note_answer(creation.guid)
                try:
                    entry = self._describe(claim, generated, owner)
                    self._keep(reservation, entry, generated.content, deadline)
                except Exception as error:
                    raise self._give_up(creation, generated.content, error) from error
                return self._show(creation, entry)
        finally:
            self._claims.end(creation.guid)

    def _generate(self, creation: Creation, on_partial: OnPartial) -> GeneratedImage:
        try:
            return self._generator.generate(
                creation.prompt,
                user=creation.owner,
                size=creation.size,
                quality=creation.quality,
                on_partial=on_partial,
            )
        except GenerationError as error:
            if isinstance(error, ImageNotStoredError):
                logger.critical("image %s was made, and could not be stored", creation.guid)
            keep_answer(self._stores.content.quarantine, creation, error)
            self._claims.fail(creation.guid, error)
            raise
        except (MemoryError, OSError) as error:
            # this machine's fault, wherever the exchange had come to
            logger.exception("the exchange about image %s broke off here", creation.guid)
            unknown = GenerationUnknownError()
            self._claims.fail(creation.guid, unknown)
            raise unknown from error
        except BaseException:
            self._claims.fail(creation.guid, GenerationUnknownError())
            raise

    def _keep(
        self, reservation: Reservation, entry: JournalEntry, content: bytes, deadline: float
    ) -> None:
        """Write the bytes and the journal entry, again and again until the deadline."""
        guid, pause = entry.image.guid, _FIRST_PAUSE
        while True:
            try:
                reservation.keep(entry, content)
            except (StorageUnavailableError, MemoryError) as error:
                if time.monotonic() + pause > deadline:
                    raise
                if pause == _FIRST_PAUSE:
                    reason = error.__cause__ or error
                    logger.error("image %s can't be stored yet, trying again: %s", guid, reason)  # noqa: TRY400
            else:
                return
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _give_up(self, creation: Creation, content: bytes, error: Exception) -> ImageNotStoredError:
        """Put an image into the quarantine if possible, and return what to raise."""
        is_mistake = not isinstance(error, StorageUnavailableError | MemoryError)
        logger.critical(
            "image %s was made, and could not be stored",
            creation.guid,
            exc_info=error if is_mistake else None,
        )
        lost = ImageNotStoredError(answer=content)
        keep_answer(self._stores.content.quarantine, creation, lost)
        self._claims.fail(creation.guid, lost)
        return lost

    def _show(self, creation: Creation, entry: JournalEntry) -> Image | Creation:
        """Make the image visible. If that fails now, recovery does it later."""
        try:
            return self._adopter.adopt(entry)
        except ImageDeletedError:
            raise
        except PixyProxyException as error:
            reason = error.explanation
            logger.error("image %s is safe, and waits to be seen: %s", creation.guid, reason)  # noqa: TRY400
            return creation

    def _describe(self, claim: Claim, generated: GeneratedImage, owner: User) -> JournalEntry:
        creation = claim.creation
        stored = self._stores.content.describe(
            creation.guid, generated.media_type, generated.content
        )
        return JournalEntry(
            image=_describe_image(creation, stored, generated),
            owner=owner.username,
            class_key=owner.class_key,
            created_at=datetime.now(UTC),
            idempotency_key=claim.key,
            fingerprint=None if claim.key is None else claim.fingerprint,
        )


def _describe_image(
    creation: Creation, stored: StoredContent, generated: GeneratedImage
) -> ImageDetail:
    members = {name: getattr(creation, name) for name in ImageDetailCreate.model_fields}
    return ImageDetail(
        **members,
        guid=creation.guid,
        filename=stored.filename,
        owner=creation.owner,
        media_type=generated.media_type,
        width=generated.width,
        height=generated.height,
        size=stored.size,
        sha256=stored.sha256,
        generator=generated.generator,
        model=generated.model,
    )


def _estimate_size(request: ImageDetailCreate) -> int:
    """Return the maximum bytes of an image, except incompressible transparent ones."""
    size = read_size(request.size) if isinstance(request, ImageRequest) else None
    width, height = size or _USUAL_SIZE
    return 3 * width * height + 64 * 1024
