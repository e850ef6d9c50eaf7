"""The order of an upload: check the spooled file, claim, keep the bytes, adopt.

From the claim on it is the order of a create, without a provider. Nothing is paid for, so nothing
is tried again.
"""

import logging
import time
import uuid
from datetime import UTC, datetime
from typing import NamedTuple

from pixy_core import (
    Creation,
    DetailedImage,
    IdempotencyKeyInUseError,
    ImageDeletedError,
    ImageDetail,
    ImagePendingError,
    ImageRequest,
    InvalidInputError,
    PixyProxyException,
    User,
)
from pixy_core.images import UPLOAD_GENERATOR
from pixy_data import JournalEntry, SpooledFile
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claim, Claims
from pixy_service.pixels.inspection import ImageProperties
from pixy_service.pixels.uploads import decode_file, inspect_upload
from pixy_service.stores import ImageStores
from pixy_service.validation import Limits, validate_create

logger = logging.getLogger(__name__)

_TWIN_PAUSE = 0.05
"""Seconds between two looks at another upload of the same bytes."""

_NAMELESS = "upload"


class Uploaded(NamedTuple):
    """The result of an upload.

    Attributes:
        image: The image, or its creation if it is safe on disk and waits for the database.
        is_new: Whether the owner had no upload of these bytes before.
    """

    image: DetailedImage | Creation
    is_new: bool


class ImageUploader:
    """Keeps uploaded files as images; one call runs from start to end in one thread.

    Args:
        stores: Rows and bytes.
        claims: The claims of this process.
        adopter: Makes images visible.
        limits: Maximum sizes of uploads and lengths of prompts.
        patience: Seconds to wait for another upload of the same bytes.
    """

    def __init__(
        self,
        stores: ImageStores,
        claims: Claims,
        adopter: ImageAdopter,
        limits: Limits,
        *,
        patience: float = 5.0,
    ) -> None:
        self._patience = patience
        self._stores = stores
        self._claims = claims
        self._adopter = adopter
        self._limits = limits

    def spool(self, size: int | None) -> SpooledFile:
        """Return a file without a name, on the disk of the images, for the caller to close.

        Args:
            size: The bytes that will come, if that is known.

        Raises:
            StorageUnavailableError: The disk has no space for them.
        """
        return self._stores.content.spool(size, self._limits.upload_size)

    def describe(self, prompt: str | None, filename: str | None) -> ImageRequest:
        """Return the request of an upload.

        Args:
            prompt: Its caption; None for the file's name.
            filename: The file's name, perhaps with folders. What can't be a prompt is ignored.

        Raises:
            InvalidInputError: The prompt breaks a rule.
        """
        if prompt is not None:
            return validate_create({"prompt": prompt}, self._limits.prompt_length)
        try:
            name = (filename or "").replace("\\", "/").rpartition("/")[2]
            return validate_create({"prompt": name}, self._limits.prompt_length)
        except InvalidInputError:
            return ImageRequest(prompt=_NAMELESS)

    def check(self, file: SpooledFile) -> ImageProperties:
        """Decode a file without keeping it, and return what it is.

        Raises:
            InvalidInputError: It is not an image, or not one that is kept.
            StorageUnavailableError: There is not enough memory to tell.
        """
        # read in turn, too: one file at a time is in memory
        return decode_file(lambda: inspect_upload(file.read(), self._limits.upload_pixels))

    def keep(
        self,
        file: SpooledFile,
        request: ImageRequest,
        owner: User,
        properties: ImageProperties | None = None,
    ) -> Uploaded:
        """Keep a file as a private image, unless its owner has uploaded these bytes before.

        Args:
            file: The whole file; it stays open.
            request: From `describe`.
            owner: The image's owner.
            properties: From `check`; None if the file was not checked yet.

        Raises:
            InvalidInputError: It is not an image, or not one that is kept.
            StorageUnavailableError: It can't be written.
            ImagePendingError: The same bytes are being stored at this moment.
            DBConnectionError: The database can't be reached.
            PixyProxyException: Another failure; without a class of its own it is a bug.
        """
        try:
            existing = self._stores.images.find_upload(owner.username, file.sha256)
            if existing is not None:
                return Uploaded(existing, is_new=False)
            return self._store(file, properties or self.check(file), request, owner)
        except PixyProxyException:
            raise
        except Exception as error:
            logger.exception("an upload could not be kept")
            raise PixyProxyException from error

    def _store(
        self, file: SpooledFile, properties: ImageProperties, request: ImageRequest, owner: User
    ) -> Uploaded:
        guid = str(uuid.uuid4())
        with self._stores.content.reserve(guid, file.size) as reservation:
            claim = self._take(guid, request, owner, file.sha256)
            if claim.is_replay:
                return Uploaded(self._find_twin(claim), is_new=False)
            entry = self._describe(claim, file, properties, owner)
            try:
                reservation.keep(entry, file)
            except BaseException:
                self._claims.withdraw(guid)
                raise
            try:
                return Uploaded(self._adopter.show(claim.creation, entry), is_new=True)
            finally:
                self._claims.end(guid)

    def _take(self, guid: str, request: ImageRequest, owner: User, sha256: str) -> Claim:
        """Claim the bytes for their owner, or find the creation of the image that has them."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._claims.take_upload(guid, request, owner, sha256)
            except IdempotencyKeyInUseError as error:
                if time.monotonic() > deadline:
                    raise ImagePendingError from error
            time.sleep(_TWIN_PAUSE)

    def _find_twin(self, claim: Claim) -> DetailedImage:
        image = self._stores.images.find_image(claim.creation.guid)
        if image is None:
            raise ImageDeletedError
        return image

    def _describe(
        self, claim: Claim, file: SpooledFile, properties: ImageProperties, owner: User
    ) -> JournalEntry:
        creation = claim.creation
        stored = self._stores.content.describe(creation.guid, properties.media_type, file)
        image = ImageDetail(
            prompt=creation.prompt,
            visibility=creation.visibility,
            guid=creation.guid,
            owner=owner.username,
            **properties._asdict(),
            **stored._asdict(),
            generator=UPLOAD_GENERATOR,
            model=UPLOAD_GENERATOR,
        )
        # without the claim's key: the row itself answers the next upload of these bytes
        return JournalEntry(
            image=image,
            owner=owner.username,
            class_key=owner.class_key,
            created_at=datetime.now(UTC),
        )
