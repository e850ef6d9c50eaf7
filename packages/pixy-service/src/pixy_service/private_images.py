"""Images for a caller who has signed in: public ones, those of the class, and the user's own.

How an image is made stands in creation.py, how it is taken away in deletion.py.
"""

from concurrent.futures import Future
from dataclasses import dataclass

from pixy_core import (
    Image,
    ImageDetailCreate,
    PermissionDeniedError,
    RecordNotFoundError,
    User,
    Visibility,
)
from pixy_data import ContentStore, Database, ImageRepositoryInterface, Position, run_transaction
from pixy_service.creation import ImageCreator
from pixy_service.cursors import Cursors
from pixy_service.deletion import ImageRemover
from pixy_service.generation import GenerationExecutor
from pixy_service.reading import ImageReader
from pixy_service.thumbnails import Thumbnails
from pixy_service.validation import validate_create, validate_guid, validate_visibility


@dataclass(frozen=True)
class ImageTools:
    """What the private services of all users share."""

    database: Database
    images: ImageRepositoryInterface
    content: ContentStore
    thumbnails: Thumbnails
    creator: ImageCreator
    remover: ImageRemover
    executor: GenerationExecutor


class PrivateImageService(ImageReader):
    """What one user may do: make images, look at visible ones, and change the own ones.

    Args:
        tools: What all users share.
        user: Who asks; somebody whose credentials have been checked.
    """

    def __init__(self, tools: ImageTools, user: User) -> None:
        database = tools.database
        cursors = Cursors(lambda: database.secret("cursor"), f"user:{user.username}")
        super().__init__(tools.content, tools.thumbnails, cursors)
        self._tools = tools
        self._user = user

    def create_image(self, image: ImageDetailCreate) -> Image:
        """Make an image from a prompt, store it, and return it when all is done.

        Args:
            image: The prompt, and who may see the image.

        Raises:
            InvalidInputError: A value breaks a rule of the model.
            ServiceClosedError: The service is shutting down.
            GenerationError: All places are taken, or the image could not be made.
            StorageUnavailableError: Its bytes could not be stored.
            PixyProxyException: Another failure that has a name.
        """
        return self.submit_image(image).result()

    def submit_image(self, image: ImageDetailCreate) -> Future[Image]:
        """Start to make an image, and return at once.

        Args:
            image: The prompt, and who may see the image.

        Returns:
            The image to come. It can't be cancelled; its exception is a PixyProxyException.

        Raises:
            InvalidInputError: A value breaks a rule of the model.
            ServiceClosedError: The service is shutting down.
            GenerationBusyError: All places are taken.
        """
        validated = validate_create(image)
        creator, user = self._tools.creator, self._user
        return self._tools.executor.submit(lambda: creator.create(validated, user))

    def change_visibility(self, guid: str, visibility: Visibility) -> Image:
        """Change who may see an image of the user's own, and return it as it is then.

        Args:
            guid: The image's public name, canonical and in lower case.
            visibility: Who may see it from now on.

        Raises:
            InvalidInputError: An argument breaks its rule.
            RecordNotFoundError: No such image, or none that the user may see.
            PermissionDeniedError: It is somebody else's.
            DBConnectionError: The database can't be reached.
        """
        guid, visibility = validate_guid(guid), validate_visibility(visibility)
        return run_transaction(self._tools.database, lambda: self._change(guid, visibility))

    def delete_image(self, guid: str) -> None:
        """Delete an image of the user's own for good, row and file.

        Args:
            guid: The image's public name, canonical and in lower case.

        Raises:
            InvalidInputError: `guid` is no canonical UUID.
            RecordNotFoundError: No such image, or none that the user may see.
            PermissionDeniedError: It is somebody else's.
            DBConnectionError: The database can't be reached.
        """
        self._tools.remover.delete(validate_guid(guid), self._user)

    def _change(self, guid: str, visibility: Visibility) -> Image:
        changed = self._tools.images.update_visibility(guid, self._user.username, visibility)
        image = self._find_image(guid)
        if image is None:
            raise RecordNotFoundError
        if not changed:
            raise PermissionDeniedError
        return image

    def _find_image(self, guid: str) -> Image | None:
        return self._tools.images.find_visible_image(guid, self._user)

    def _list_images(self, limit: int, after: Position | None) -> list[Image]:
        return self._tools.images.list_visible_images(self._user, limit, after)
