"""How an image is made, from top to bottom: claim, ask the provider, keep the bytes, show it.

Whatever happens, the provider is asked at most once for a claim, and what it made is safe from
the moment its journal entry is (docs/decisions/0005-create-order.md has the order and why).
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

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
from pixy_data import JournalEntry, StoredContent
from pixy_service.adoption import ImageAdopter
from pixy_service.claims import Claims
from pixy_service.generators.interface import GeneratedImage, ImageGenerator, OnPartial
from pixy_service.partial_images import PartialImageKeeper
from pixy_service.quarantine import keep_answer
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)


class Created(NamedTuple):
    """What a request made: an image, or one that is safe and not to be seen yet.

    Attributes:
        image: The image, or its creation while it waits for the database.
        is_replay: Whether an earlier request with the same idempotency key made it.
    """

    image: Image | Creation
    is_replay: bool = False


class ImageCreator:
    """Makes images; one call runs from its start to its end in one thread.

    Args:
        stores: Rows, files and the journal.
        claims: What this process is making.
        adopter: Makes files and rows visible.
        generator: What draws.
    """

    def __init__(
        self,
        stores: ImageStores,
        claims: Claims,
        adopter: ImageAdopter,
        generator: ImageGenerator,
    ) -> None:
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
            owner: Whose it will be.
            key: The request's idempotency key.
            on_asked: Told of the creation just before the provider is asked for it.

        Raises:
            DBConnectionError: The database can't be reached, and the provider was not asked.
            StorageUnavailableError: Bytes can't be written.
            GenerationError: The generator made no image.
            IdempotencyKeyInUseError: The first request with this key still runs.
            IdempotencyKeyReusedError: It asked for something else.
            ImageDeletedError: It made an image that has been deleted.
            ConstraintViolationError: The owner is gone.
            PixyProxyException: Another failure; without a class of its own only one that is
                a mistake in this program.
        """
        try:
            self._check_storage()
            claim = self._claims.take(request, owner, key)
            if claim.is_replay:
                return self.replay(claim.creation)
            return Created(self._make(claim.creation, owner, on_asked))
        except PixyProxyException:
            raise
        except Exception as error:
            logger.exception("an image could not be made")
            raise PixyProxyException from error

    def check(self, request: ImageRequest) -> None:
        """Return if the generator can draw what is asked for.

        Args:
            request: Validated.

        Raises:
            InvalidInputError: It has no such size or quality.
        """
        self._generator.check(request.size, request.quality)

    def replay(self, creation: Creation) -> Created:
        """Return what an earlier request with the same key made.

        Args:
            creation: That request's.

        Raises:
            ImageDeletedError: The image has been deleted.
            PixyProxyException: The database failed.
        """
        image = self._stores.images.find_image(creation.guid)
        if image is None:
            raise ImageDeletedError
        return Created(image, is_replay=True)

    def _make(
        self, creation: Creation, owner: User, on_asked: Callable[[Creation], object]
    ) -> Image | Creation:
        try:
            self._claims.mark_asked(creation.guid)
            on_asked(creation)
            with PartialImageKeeper(self._stores.content.partials, creation.guid) as keeper:
                generated = self._generate(creation, keeper.take)
                entry = self._keep(creation, generated, owner)
                return self._show(creation, entry)
        finally:
            self._claims.end(creation.guid)

    def _check_storage(self) -> None:
        """Refuse while it costs nothing; of the database the claim will tell."""
        self._stores.content.check_writable()
        self._stores.journal.check_writable()

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
            keep_answer(self._stores.content.quarantine, creation, error)
            self._claims.fail(creation.guid, error)
            raise
        except BaseException:
            self._claims.fail(creation.guid, GenerationUnknownError())
            raise

    def _keep(self, creation: Creation, generated: GeneratedImage, owner: User) -> JournalEntry:
        """Write the bytes, and then what is known of them: from then on nothing is lost."""
        guid, media_type = creation.guid, generated.media_type
        try:
            stored = self._stores.content.stage(guid, media_type, generated.content)
            entry = _describe(creation, stored, generated, owner)
            self._write_entry(entry)
        except StorageUnavailableError as error:
            logger.critical("image %s was made, and could not be stored", guid)
            lost = ImageNotStoredError()
            self._claims.fail(guid, lost)
            raise lost from error
        return entry

    def _write_entry(self, entry: JournalEntry) -> None:
        try:
            self._stores.journal.write(entry)
        except StorageUnavailableError:
            self._stores.content.staging.discard(entry.image.filename)
            raise

    def _show(self, creation: Creation, entry: JournalEntry) -> Image | Creation:
        """Make the image visible; where that can't be done now, recovery will."""
        try:
            return self._adopter.adopt(entry)
        except ImageDeletedError:
            raise
        except PixyProxyException as error:
            reason = error.explanation
            logger.error("image %s is safe, and waits to be seen: %s", creation.guid, reason)  # noqa: TRY400
            return creation


def _describe(
    creation: Creation, stored: StoredContent, generated: GeneratedImage, owner: User
) -> JournalEntry:
    members = {name: getattr(creation, name) for name in ImageDetailCreate.model_fields}
    detail = ImageDetail(
        **members,
        guid=creation.guid,
        filename=stored.filename,
        owner=owner.username,
        media_type=generated.media_type,
        width=generated.width,
        height=generated.height,
        size=stored.size,
        sha256=stored.sha256,
        generator=generated.generator,
        model=generated.model,
    )
    return JournalEntry(
        image=detail,
        owner=owner.username,
        class_key=owner.class_key,
        created_at=datetime.now(UTC),
    )
