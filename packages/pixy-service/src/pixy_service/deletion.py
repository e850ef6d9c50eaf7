"""How an image is taken away: its journal entry, then its row, then its file.

An entry would bring the row back. Between the last two a file has no row, which nobody can see;
the other way about, a row without its file could be seen.
"""

import logging

from pixy_core import (
    CreationStatus,
    ImagePendingError,
    PermissionDeniedError,
    PixyProxyException,
    RecordNotFoundError,
    User,
)
from pixy_data import run_transaction
from pixy_service.stores import ImageStores
from pixy_service.thumbnails import Thumbnails

logger = logging.getLogger(__name__)


class ImageRemover:
    """Deletes images for their owners.

    Args:
        stores: Rows, files and the journal.
        thumbnails: Smaller pictures of the files.
    """

    def __init__(self, stores: ImageStores, thumbnails: Thumbnails) -> None:
        self._stores = stores
        self._thumbnails = thumbnails

    def delete(self, guid: str, user: User) -> None:
        """Delete an image of the user's own, or what is remembered of one that failed.

        Args:
            guid: A validated guid.
            user: Who asks.

        Raises:
            RecordNotFoundError: No such image, or none that the user may see.
            PermissionDeniedError: It is somebody else's.
            ImagePendingError: It is still being made.
            StoreMismatchError: The file is on a volume that is not there.
            DBConnectionError: The database can't be reached.
        """
        self._stores.content.verify()
        filename = run_transaction(self._stores.database, lambda: self._delete_row(guid, user))
        if filename is None:
            return
        try:
            self._stores.content.delete(filename)
        except (PixyProxyException, OSError):
            logger.exception("the row of image %s is deleted, its file %s is not", guid, filename)
        self._thumbnails.delete(guid)

    def _delete_row(self, guid: str, user: User) -> str | None:
        image = self._stores.images.find_visible_image(guid, user)
        if image is None:
            self._discard_creation(guid, user)
            return None
        if image.owner != user.username:
            raise PermissionDeniedError
        self._stores.journal.remove(guid)
        if not self._stores.images.delete_image(guid, user.username):
            raise RecordNotFoundError
        return image.filename

    def _discard_creation(self, guid: str, user: User) -> None:
        creation = self._stores.creations.find_creation(guid, user.username)
        if creation is None or creation.status == CreationStatus.READY:
            raise RecordNotFoundError
        if creation.status == CreationStatus.PENDING:
            raise ImagePendingError
        # not forgotten where it has a key, which must not buy another image
        self._stores.claims.finish_creation(guid)
