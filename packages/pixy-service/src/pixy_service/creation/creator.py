"""The order of a create: reserve files, claim, ask the provider, keep the bytes, adopt.

The provider is asked at most once for a claim. Once the journal entry is written, the image can't
be lost (docs/decisions/0005-create-order.md has the order and the reasons).
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from pixy_core import (
    Creation,
    CreationStatus,
    DetailedImage,
    GenerationError,
    GenerationUnknownError,
    ImageDeletedError,
    ImageDetail,
    ImageDetailCreate,
    ImageNotStoredError,
    ImageRequest,
    OutputFormat,
    PixyProxyException,
    RequestAbandonedError,
    StorageUnavailableError,
    User,
)
from pixy_core.images import read_size
from pixy_data import AnswerNote, JournalEntry, Reservation, StoredContent
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.attempts import Attempt, share_partials
from pixy_service.creation.claims import Claim, Claims
from pixy_service.creation.idempotency import check_failure
from pixy_service.creation.observer import NO_OBSERVER, GenerationObserver, describe_made, telling
from pixy_service.creation.partial_images import PartialImageKeeper
from pixy_service.creation.sources import OpenSources, open_sources
from pixy_service.generators.interface import (
    GeneratedImage,
    ImageGenerator,
    ImageOrder,
    OnPartial,
)
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 180.0
"""Seconds from the request to the provider until storing its image is given up."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
"""Seconds between two tries to store an image."""

_ASSUMED_SIZE = (1536, 1024)
"""Size in pixels that is assumed if the model chooses it."""


class Created(NamedTuple):
    """The result of a create.

    Attributes:
        image: The image; or its creation, if the image is stored but the database or the store
            failed afterwards, or if an earlier request still makes it.
        is_replay: Whether it answers an earlier request's creation.
    """

    image: DetailedImage | Creation
    is_replay: bool = False


class ImageCreator:
    """Makes images; one call runs from start to end in one thread.

    Args:
        stores: Rows and bytes.
        claims: The claims of this process.
        adopter: Makes images visible.
        generator: Makes the bytes.
        timeout: Deadline in seconds from the start of a generation. Failed attempts to store the
            image are repeated until then.
        observer: Gets every image and failure.
    """

    def __init__(
        self,
        stores: ImageStores,
        claims: Claims,
        adopter: ImageAdopter,
        generator: ImageGenerator,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        observer: GenerationObserver = NO_OBSERVER,
    ) -> None:
        self._timeout = timeout
        self._observer = observer
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
        attempt: Attempt | None = None,
    ) -> Created:
        """Make an image from a validated request, store it and return it.

        No database connection is held while the generator works.

        Args:
            request: What is asked for.
            owner: The image's owner.
            key: The request's idempotency key.
            on_asked: Called with the creation just before the provider is asked.
            attempt: The API client's attempt that this request is.

        Raises:
            RequestAbandonedError: The API client left before the provider was asked.
            DBConnectionError: The database can't be reached; the provider was not asked.
            StorageUnavailableError: Files can't be written; the provider was not asked.
            RecordNotFoundError: A source is no image that the owner may see.
            ContentDamagedError: The file of a source is missing or damaged.
            InvalidInputError: The mask does not fit the first source.
            GenerationError: There is no image.
            IdempotencyKeyInUseError: The first request with this key still runs.
            IdempotencyKeyReusedError: The first request with this key asked for something else.
            ImageDeletedError: The image of the first request, or this image, has been deleted.
            ConstraintViolationError: The owner is gone.
            PixyProxyException: Any other failure. PixyProxyException itself means a bug.
        """
        try:
            return self._create(request, owner, key, on_asked, attempt)
        except PixyProxyException:
            raise
        except Exception as error:
            logger.exception("an image could not be made")
            raise PixyProxyException from error

    def _create(
        self,
        request: ImageDetailCreate,
        owner: User,
        key: str | None,
        on_asked: Callable[[Creation], object],
        attempt: Attempt | None,
    ) -> Created:
        guid, started_at = str(uuid.uuid4()), time.monotonic()
        stores, size = self._stores, _estimate_size(request)
        with (
            open_sources(stores, request, owner) as sources,
            stores.content.reserve(guid, size) as reservation,
        ):
            claim = self._claims.take(guid, request, owner, key, attempt)
            if claim.is_replay:
                return self.replay(claim.creation)
            self._check_client(guid, attempt)
            image = self._make(
                claim, owner, on_asked, reservation, sources, attempt=attempt, started_at=started_at
            )
            return Created(image)

    def _check_client(self, guid: str, attempt: Attempt | None) -> None:
        """Withdraw the claim if the client has left: nothing is bought for it.

        This runs after the claim is committed: either the client's retry sees the claim, or this
        sees that the client has left.

        Raises:
            RequestAbandonedError: The client has left.
        """
        if attempt is not None and attempt.has_left():
            self._claims.withdraw(guid)
            raise RequestAbandonedError

    def check(self, request: ImageRequest) -> None:
        """Return if the generator supports the size and quality of a request.

        Raises:
            InvalidInputError: It does not.
        """
        self._generator.check(request)

    def replay(self, creation: Creation) -> Created:
        """Return the image of an earlier creation, or the creation if it is still pending.

        Raises:
            GenerationError: It has failed.
            ImageDeletedError: Its image has been deleted.
        """
        check_failure(creation)
        if creation.status == CreationStatus.PENDING:
            return Created(creation, is_replay=True)
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
        sources: OpenSources,
        *,
        attempt: Attempt | None,
        started_at: float,
    ) -> DetailedImage | Creation:
        creation = claim.creation
        try:
            self._claims.mark_asked(creation.guid)
            on_asked(creation)
            deadline = time.monotonic() + self._timeout
            with PartialImageKeeper(self._stores.content.partials, creation.guid) as keeper:
                order = _order(creation, sources, attempt)
                generated = self._generate(creation, order, share_partials(keeper.take, attempt))
                self._claims.note_answer(creation.guid)
                try:
                    entry = self._describe(claim, generated, owner, sources)
                    self._keep(reservation, entry, generated.content, deadline)
                except Exception as error:
                    raise self._give_up(creation, generated.content, error) from error
                # it is safe now, whatever follows
                with self._noting(creation, generated, started_at):
                    return self._adopter.show(creation, entry)
        finally:
            self._claims.end(creation.guid)

    @contextmanager
    def _noting(
        self, creation: Creation, generated: GeneratedImage, started_at: float
    ) -> Iterator[None]:
        try:
            yield
        finally:
            with telling():
                self._observer.note_image(describe_made(creation, generated, started_at))

    def _generate(
        self, creation: Creation, order: ImageOrder, on_partial: OnPartial
    ) -> GeneratedImage:
        asked_at = time.monotonic()
        try:
            generated = self._generator.generate(order, on_partial)
        except GenerationError as error:
            if isinstance(error, ImageNotStoredError):
                logger.critical("image %s was made, and could not be stored", creation.guid)
            self._keep_answer(creation, error)
            self._fail(creation, error)
            raise
        except (MemoryError, OSError) as error:
            # a failure of this machine; the request may have been sent
            logger.exception("the request for image %s failed on this machine", creation.guid)
            unknown = GenerationUnknownError()
            self._fail(creation, unknown)
            raise unknown from error
        except BaseException:
            self._fail(creation, GenerationUnknownError())
            raise
        if generated.provider_seconds is None:
            return replace(generated, provider_seconds=time.monotonic() - asked_at)
        return generated

    def _fail(self, creation: Creation, error: GenerationError) -> None:
        self._claims.fail(creation.guid, error)
        with telling():
            self._observer.note_failure(creation.model or self._generator.models[0], error)

    def _keep(
        self, reservation: Reservation, entry: JournalEntry, content: bytes, deadline: float
    ) -> None:
        """Write the bytes and the journal entry; repeat failed attempts until the deadline."""
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
        self._keep_answer(creation, lost)
        self._fail(creation, lost)
        return lost

    def _keep_answer(self, creation: Creation, error: GenerationError) -> None:
        """Keep for an operator what the provider sent, if it may have been paid for."""
        if not error.answer or error.billed == "no":
            return
        try:
            note = _describe_answer(creation, error, len(error.answer))
            name = self._stores.content.keep_answer(note, error.answer)
        except Exception:
            logger.critical("the answer for creation %s is lost", creation.guid, exc_info=True)
        else:
            logger.critical(
                "creation %s has no image, and what the provider sent is kept: %s",
                creation.guid,
                name,
            )

    def _describe(
        self, claim: Claim, generated: GeneratedImage, owner: User, sources: OpenSources
    ) -> JournalEntry:
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
            fingerprint=claim.fingerprint if claim.key or claim.key_id else None,
            key_id=claim.key_id,
            purchase=generated.purchase,
            sources=sources.records,
        )


def _order(creation: Creation, sources: OpenSources, attempt: Attempt | None) -> ImageOrder:
    return ImageOrder(
        prompt=creation.prompt,
        user=creation.owner,
        size=creation.size,
        quality=creation.quality,
        model=creation.model,
        background=creation.background,
        output_format=creation.output_format or OutputFormat.PNG,
        output_compression=creation.output_compression,
        moderation=creation.moderation,
        partial_images=None if attempt is None else attempt.partial_images,
        sources=sources.files,
        mask=sources.mask,
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


def _describe_answer(creation: Creation, error: GenerationError, answer_size: int) -> AnswerNote:
    return AnswerNote(
        guid=creation.guid,
        owner=creation.owner,
        prompt=creation.prompt,
        size=creation.size,
        quality=creation.quality,
        created_at=creation.created_at,
        code=error.code,
        billed=error.billed,
        upstream_request_id=error.upstream_request_id,
        answer_size=answer_size,
    )


def _estimate_size(request: ImageDetailCreate) -> int:
    """Return the maximum bytes of an image, except incompressible transparent ones."""
    size = read_size(request.size) if isinstance(request, ImageRequest) else None
    width, height = size or _ASSUMED_SIZE
    return 3 * width * height + 64 * 1024
