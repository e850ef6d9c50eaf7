"""Deletes an image: first its journal entry, then its row, then its files.

The entry would bring the row back. The transaction that deletes the row lists the image in
`deletions` until its files are removed, by the caller or by recovery. A file without a row is never
served.

The record of a failed creation is deleted likewise. In a bucket its bytes may still arrive, and
with an entry they would become an image.
"""

import logging
from collections.abc import Callable

from pixy_core import (
    ContentDamagedError,
    CreationStatus,
    ImagePendingError,
    PermissionDeniedError,
    PixyProxyException,
    RecordNotFoundError,
    StorageUnavailableError,
    StoreMismatchError,
    User,
)
from pixy_data import Deletion, run_transaction
from pixy_service.images.thumbnails import Thumbnails
from pixy_service.stores import ImageStores

logger = logging.getLogger(__name__)

_BATCH = 100
_FAILURES = 3
"""Deletions in a row that fail: then the next call continues with those that follow."""


class ImageRemover:
    """Deletes images for their owners, and removes the files of deleted images."""

    def __init__(self, stores: ImageStores, thumbnails: Thumbnails) -> None:
        self._stores = stores
        self._thumbnails = thumbnails
        self._stuck: set[str] = set()
        self._position = ""

    def delete(self, guid: str, user: User) -> None:
        """Delete an own image, or the record of a failed creation.

        Raises:
            RecordNotFoundError: There is none that the user may see.
            PermissionDeniedError: It belongs to another user.
            ImagePendingError: It is still being made, or has no row yet: its creation failed, and
                its bytes are safe all the same.
            StoreMismatchError: The image folder belongs to another database, or is not mounted.
        """
        self._stores.content.verify()
        has_entry = not self._forget_entry(guid, user)
        deletion = run_transaction(
            self._stores.database, lambda: self._delete_row(guid, user, has_entry=has_entry)
        )
        if deletion is None:
            self._require_absence(guid)
            return
        try:
            self._finish(deletion)
        except (PixyProxyException, OSError) as error:
            # the image is deleted; a recovery removes its files
            self._note_stuck(deletion, error)

    def finish_deletions(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Remove the files of deleted images; a failure is logged, and the image stays listed.

        Args:
            is_stopping: Returns whether to end early.

        Raises:
            StoreMismatchError: The image folder belongs to another database.
            StorageUnavailableError: Nothing in the store can be read.
        """
        after, self._position = self._position, ""
        failures = 0
        while deletions := self._stores.deletions.list_deletions(_BATCH, after):
            for deletion in deletions:
                if is_stopping():
                    return
                failures = 0 if self._finish_or_note(deletion) else failures + 1
                if failures == _FAILURES:
                    self._position = deletion.guid
                    return
            after = deletions[-1].guid

    def _finish_or_note(self, deletion: Deletion) -> bool:
        """Remove the files of a deleted image; return False if that is impossible now."""
        if self._stores.images.find_image(deletion.guid) is not None:
            # rows that an operator has restored, or a server that took over
            self._stores.deletions.delete_deletion(deletion.guid)
            logger.error("image %s has a row again: it is kept, not deleted", deletion.guid)
            return True
        try:
            self._finish(deletion)
        except StoreMismatchError:
            raise
        except (StorageUnavailableError, ContentDamagedError, OSError) as error:
            self._stores.content.verify()
            self._note_stuck(deletion, error)
            return False
        logger.info("removed the files of image %s, which was deleted", deletion.guid)
        return True

    def _finish(self, deletion: Deletion) -> None:
        self._stores.content.delete(deletion.filename)
        self._thumbnails.delete(deletion.guid)
        self._stores.content.partials.delete(deletion.guid)
        # a volume that went away meanwhile has lost no file
        self._stores.content.verify()
        self._stores.deletions.delete_deletion(deletion.guid)
        self._stuck.discard(deletion.guid)

    def _note_stuck(self, deletion: Deletion, error: Exception) -> None:
        if deletion.guid not in self._stuck:
            self._stuck.add(deletion.guid)
            logger.error(
                "the row of image %s is deleted, its file %s is not; that is tried again",
                deletion.guid,
                deletion.filename,
                exc_info=error,
            )

    def _forget_entry(self, guid: str, user: User) -> bool:
        """Remove the entry of an own image, and return whether there is that image.

        This is outside the transaction: a store that hangs must not hold SQLite's only writer.
        """
        image = self._stores.images.find_visible_image(guid, user)
        if image is None:
            self._forget_failed(guid, user)
            return False
        if image.owner != user.username:
            return False
        self._stores.content.forget(guid)
        return True

    def _forget_failed(self, guid: str, user: User) -> None:
        """Remove the entry of an own creation that failed, unless it may become an image."""
        creation = self._stores.creations.find_creation(guid, user.username)
        if creation is None or creation.status in {CreationStatus.PENDING, CreationStatus.READY}:
            return
        if self._stores.content.has_kept(guid):
            # what was reported as not stored is: recovery makes it visible
            raise ImagePendingError
        # in a bucket its bytes may still arrive
        self._stores.content.forget(guid)

    def _require_absence(self, guid: str) -> None:
        """Return if a creation that was just deleted has not become an image at that moment."""
        # the transaction may have begun before that of the image
        if self._stores.images.find_image(guid) is not None:
            raise ImagePendingError

    def _delete_row(self, guid: str, user: User, *, has_entry: bool) -> Deletion | None:
        image = self._stores.images.find_visible_image(guid, user)
        if image is None:
            self._discard_creation(guid, user)
            return None
        if image.owner != user.username:
            raise PermissionDeniedError
        if has_entry:
            # its row has come since
            raise ImagePendingError
        if not self._stores.images.delete_image(guid, user.username):
            raise RecordNotFoundError
        deletion = Deletion(guid, image.filename)
        self._stores.deletions.insert_deletion(deletion)
        return deletion

    def _discard_creation(self, guid: str, user: User) -> None:
        creation = self._stores.creations.find_creation(guid, user.username)
        if creation is None or creation.status == CreationStatus.READY:
            raise RecordNotFoundError
        if creation.status == CreationStatus.PENDING:
            raise ImagePendingError
        # not forgotten where it has a key, which must not buy another image
        self._stores.creations.finish_creation(guid)
