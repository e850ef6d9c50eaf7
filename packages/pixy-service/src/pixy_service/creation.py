"""How an image is made: the provider first, then the file, then the row.

Whatever fails leaves no row without a file; a file is kept without a row only where nobody can
tell whether the row exists, and then the log says so.
"""

import logging
import uuid

from pixy_core import (
    DBConnectionError,
    Image,
    ImageDetail,
    ImageDetailCreate,
    PixyProxyException,
    StorageUnavailableError,
    User,
)
from pixy_data import (
    ContentStore,
    Database,
    ImageRepositoryInterface,
    StoredContent,
    run_transaction,
)
from pixy_service.generators.interface import GeneratedImage, ImageGenerator

logger = logging.getLogger(__name__)


class ImageCreator:
    """Makes images; one call runs from its start to its end in one thread.

    Args:
        database: Where the transaction runs.
        images: The rows.
        content: The files.
        generator: What draws.
    """

    def __init__(
        self,
        database: Database,
        images: ImageRepositoryInterface,
        content: ContentStore,
        generator: ImageGenerator,
    ) -> None:
        self._database = database
        self._images = images
        self._content = content
        self._generator = generator

    def create(self, image: ImageDetailCreate, owner: User) -> Image:
        """Make an image from a validated prompt, store it and return it.

        No database connection is held while the generator works.

        Args:
            image: What is asked for.
            owner: Whose it will be.

        Raises:
            DBConnectionError: The database can't be reached.
            StorageUnavailableError: Bytes can't be written.
            GenerationError: The generator made no image.
            ConstraintViolationError: The owner is gone.
            PixyProxyException: Another failure; without a class of its own only one that is
                a mistake in this program.
        """
        try:
            self._check_stores()
            generated = self._generator.generate(image.prompt, user=owner.username)
            guid = str(uuid.uuid4())
            stored = self._write_file(guid, generated)
            return self._record(_describe(image, guid, stored, generated), owner)
        except PixyProxyException:
            raise
        except Exception as error:
            logger.exception("an image could not be made")
            raise PixyProxyException from error

    def _check_stores(self) -> None:
        """Refuse while it costs nothing, before the provider is paid."""
        self._database.ping()
        self._content.check_writable()

    def _write_file(self, guid: str, generated: GeneratedImage) -> StoredContent:
        try:
            return self._content.write(guid, generated.media_type, generated.content)
        except StorageUnavailableError:
            logger.critical("image %s was made, and could not be stored", guid)
            raise

    def _record(self, detail: ImageDetail, owner: User) -> Image:
        try:
            return self._insert(detail, owner)
        except PixyProxyException as error:
            return self._settle(detail, error)

    def _insert(self, detail: ImageDetail, owner: User) -> Image:
        def work() -> Image:
            return self._images.insert_image(detail, owner)

        try:
            return run_transaction(self._database, work)
        except DBConnectionError:
            # The commit may have happened, or be under way: the unique guid makes this second
            # insert wait for it, and fail if it did happen.
            return run_transaction(self._database, work)

    def _settle(self, detail: ImageDetail, error: PixyProxyException) -> Image:
        """Return the image if its row is there after all; else remove its file and raise."""
        # a lost connection may leave a commit under way that no reader sees yet
        is_absence_sure = not isinstance(error, DBConnectionError)
        try:
            found = self._images.find_image(detail.guid)
            if found is not None:
                return found
            if is_absence_sure:
                self._content.delete(detail.filename)
        except PixyProxyException:
            is_absence_sure = False
        if not is_absence_sure:
            logger.critical(
                "image %s is stored as %s, and may have no row", detail.guid, detail.filename
            )
        raise error


def _describe(
    image: ImageDetailCreate, guid: str, stored: StoredContent, generated: GeneratedImage
) -> ImageDetail:
    return ImageDetail(
        prompt=image.prompt,
        visibility=image.visibility,
        guid=guid,
        filename=stored.filename,
        media_type=generated.media_type,
        width=generated.width,
        height=generated.height,
        size=stored.size,
        sha256=stored.sha256,
        generator=generated.generator,
        model=generated.model,
    )
