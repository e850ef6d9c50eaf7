"""Turns a journal entry into a visible image: publish the file, insert the row, remove the entry.

The process that made the image does this, or a recovery; both at once do no harm.
"""

import logging
from functools import partial

from pixy_core import (
    ConstraintViolationError,
    ContentDamagedError,
    Creation,
    CreationStatus,
    DBConnectionError,
    DetailedImage,
    ImageDeletedError,
    ImageDetailCreate,
    PixyProxyException,
    StoreMismatchError,
    User,
)
from pixy_core.images import UPLOAD_GENERATOR
from pixy_data import Deletion, JournalEntry, run_transaction
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)

_ATTEMPTS = 3


class ImageAdopter:
    """Turns journal entries into images."""

    def __init__(self, stores: ImageStores) -> None:
        self._stores = stores

    def adopt(self, entry: JournalEntry) -> DetailedImage:
        """Make the image of an entry visible, and return it; repeating this is harmless.

        Raises:
            ImageDeletedError: It was visible, and has been deleted.
            ContentDamagedError: Its bytes are gone.
            ConstraintViolationError: Its owner is gone.
            StoreMismatchError: The image folder belongs to another database.
            StorageUnavailableError: Its file can't be moved, or the entry can't be removed.
        """
        guid = entry.image.guid
        try:
            self._stores.content.publish(entry.image.filename)
        except ContentDamagedError:
            if not self._stores.content.has_kept(guid):
                raise ImageDeletedError from None
            raise
        # the database may be another one than when the image was asked for
        self._stores.content.confirm()
        try:
            image = self._record(entry)
        except ImageDeletedError:
            self._discard(entry)
            raise
        self._stores.content.forget(guid)
        return image

    def show(self, creation: Creation, entry: JournalEntry) -> DetailedImage | Creation:
        """Make the image of an entry visible. If that fails now, recovery does it later.

        Args:
            creation: What is returned until then.
            entry: In the journal.

        Raises:
            ImageDeletedError: It was visible, and has been deleted.
        """
        try:
            return self.adopt(entry)
        except ImageDeletedError:
            raise
        except PixyProxyException as error:
            reason = error.explanation
            logger.error("image %s is safe, and waits to be seen: %s", creation.guid, reason)  # noqa: TRY400
            return creation

    def _record(self, entry: JournalEntry) -> DetailedImage:
        work = partial(self._insert, entry)
        for _ in range(_ATTEMPTS - 1):
            try:
                image = run_transaction(self._stores.database, work)
                break
            except (DBConnectionError, ConstraintViolationError):
                # The commit may have happened, be under way, or be another's: the unique guid
                # makes the next insert wait for it, and the row is found then.
                continue
        else:
            image = run_transaction(self._stores.database, work)
        # without a claim to lock, the transaction may have begun before another's was committed
        image = image or self._stores.images.find_image(entry.image.guid)
        if image is None:
            raise ImageDeletedError
        return image

    def _insert(self, entry: JournalEntry) -> DetailedImage | None:
        # first of all, for its lock: of two that adopt at once, the second sees what the first did
        is_claimed = self._stores.creations.finish_creation(entry.image.guid)
        image = self._stores.images.find_image(entry.image.guid)
        # deleting an image removes its entry first, so it can't come back from here
        if image is not None or not self._stores.content.has_kept(entry.image.guid):
            return image
        # the class of the owner may be another one since
        owner = self._stores.users.authenticate_user(entry.owner)
        if owner is None:
            raise ConstraintViolationError
        if not is_claimed:
            if self._has_twin(entry):
                return None
            self._restore_claim(entry, owner)
        return self._stores.images.insert_image(
            entry.image, owner, entry.created_at, entry.purchase, entry.sources
        )

    def _discard(self, entry: JournalEntry) -> None:
        """List the file of a deleted image to be removed, and remove its entry.

        Its bytes may have been written after its owner deleted it. If that fails, it is only
        logged: what the caller has to know is that the image is deleted.

        Raises:
            StoreMismatchError: The store was exchanged meanwhile, and the entry may not be gone.
        """
        guid = entry.image.guid
        try:
            self._stores.content.verify()
            run_transaction(self._stores.database, partial(self._list_deletion, entry))
            self._stores.content.forget(guid)
        except StoreMismatchError:
            raise
        except PixyProxyException as error:
            reason = error.explanation
            logger.error("image %s is deleted, and its file may be left: %s", guid, reason)  # noqa: TRY400

    def _list_deletion(self, entry: JournalEntry) -> None:
        if self._stores.images.find_image(entry.image.guid) is None:
            self._stores.deletions.insert_deletion(Deletion(entry.image.guid, entry.image.filename))

    def _has_twin(self, entry: JournalEntry) -> bool:
        """Return whether the bytes of an upload that had failed were uploaded again."""
        is_upload = entry.image.generator == UPLOAD_GENERATOR
        sha256 = entry.image.sha256 or ""
        return is_upload and self._stores.images.find_upload(entry.owner, sha256) is not None

    def _restore_claim(self, entry: JournalEntry, owner: User) -> None:
        """Store the key of a request whose claim the database has lost, for its retries."""
        guid, key, key_id = entry.image.guid, entry.idempotency_key, entry.key_id
        if (key is None and key_id is None) or entry.fingerprint is None:
            return
        if key and self._stores.creations.find_keyed_creation(owner.username, key) is not None:
            logger.critical("the key of image %s was used again: it was paid for twice", guid)
            return
        members = {name: getattr(entry.image, name) for name in ImageDetailCreate.model_fields}
        self._stores.creations.restore_creation(
            guid,
            ImageDetailCreate(**members),
            owner,
            entry.fingerprint,
            idempotency_key=key,
            key_id=key_id,
            status=CreationStatus.READY,
        )
