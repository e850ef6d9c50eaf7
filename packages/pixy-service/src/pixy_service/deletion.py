"""How an image is taken away: its row first, then its file.

Between the two a file has no row, which nobody can see; the other way about, a row without
its file could be seen.
"""

import logging

from pixy_core import PermissionDeniedError, PixyProxyException, RecordNotFoundError, User
from pixy_data import ContentStore, Database, ImageRepositoryInterface, run_transaction
from pixy_service.thumbnails import Thumbnails

logger = logging.getLogger(__name__)


class ImageRemover:
    """Deletes images for their owners.

    Args:
        database: Where the transaction runs.
        images: The rows.
        content: The files.
        thumbnails: Smaller pictures of them.
    """

    def __init__(
        self,
        database: Database,
        images: ImageRepositoryInterface,
        content: ContentStore,
        thumbnails: Thumbnails,
    ) -> None:
        self._database = database
        self._images = images
        self._content = content
        self._thumbnails = thumbnails

    def delete(self, guid: str, user: User) -> None:
        """Delete an image of the user's own.

        Args:
            guid: A validated guid.
            user: Who asks.

        Raises:
            RecordNotFoundError: No such image, or none that the user may see.
            PermissionDeniedError: It is somebody else's.
            StoreMismatchError: The file is on a volume that is not there.
            DBConnectionError: The database can't be reached.
        """
        self._content.verify()
        filename = run_transaction(self._database, lambda: self._delete_row(guid, user))
        try:
            self._content.delete(filename)
        except (PixyProxyException, OSError):
            logger.exception("the row of image %s is deleted, its file %s is not", guid, filename)
        self._thumbnails.delete(guid)

    def _delete_row(self, guid: str, user: User) -> str:
        image = self._images.find_visible_image(guid, user)
        if image is None:
            raise RecordNotFoundError
        if image.owner != user.username:
            raise PermissionDeniedError
        if not self._images.delete_image(guid, user.username):
            raise RecordNotFoundError
        return image.filename
