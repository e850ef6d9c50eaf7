"""What a service of images, and one of users, can do; no behaviour stands here."""

from abc import ABC, abstractmethod

from pixy_core import Image, ImageDetailCreate, User


class ImageServiceInterface(ABC):
    """What every caller is offered, signed in or not; each implementation knows its caller."""

    @abstractmethod
    def create_image(self, image: ImageDetailCreate) -> Image:
        """Make an image from a prompt and store it.

        Args:
            image: The prompt, and who may see the image.

        Raises:
            InvalidInputError: A value breaks a rule of the model.
            GenerationError: The image could not be made.
            ConstraintViolationError: The database refused the row.
            PixyProxyException: Another failure that has a name.
        """

    @abstractmethod
    def get_image_by_guid(self, guid: str) -> Image:
        """Return one image that the caller may see.

        Args:
            guid: The image's public name, canonical and in lower case.

        Raises:
            InvalidInputError: `guid` is no canonical UUID.
            RecordNotFoundError: No such image, or none that the caller may see.
            PixyProxyException: Another failure that has a name.
        """

    @abstractmethod
    def get_all_images(self) -> list[Image]:
        """Return every image that the caller may see, newest first.

        Raises:
            PixyProxyException: A failure that has a name.
        """

    @abstractmethod
    def get_image_file(self, guid: str) -> str:
        """Return the absolute path of the file of an image that the caller may see.

        Args:
            guid: The image's public name, canonical and in lower case.

        Raises:
            InvalidInputError: `guid` is no canonical UUID.
            RecordNotFoundError: No such image, or none that the caller may see.
            PixyProxyException: Another failure that has a name.
        """


class UserServiceInterface(ABC):
    """What is asked about users while somebody signs in."""

    @abstractmethod
    def authenticate_user(self, username: str) -> User:
        """Return a user by name, disabled or not; a password is not checked here.

        Args:
            username: 1 to 64 characters.

        Raises:
            InvalidInputError: No user can have this name.
            RecordNotFoundError: No user has it.
            PixyProxyException: Another failure that has a name.
        """
