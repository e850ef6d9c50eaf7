"""The interfaces of the image service and the user service."""

from abc import ABC, abstractmethod

from pixy_core import Image, ImageDetailCreate, User


class ImageServiceInterface(ABC):
    """What every caller is offered, signed in or not. An object serves one caller.

    A guid is an image's public name, canonical and in lower case.

    Raises:
        InvalidInputError: From every method: an argument breaks a rule.
        PixyProxyException: From every method: another failure that has a class.
    """

    @abstractmethod
    def create_image(self, image: ImageDetailCreate) -> Image:
        """Make an image from a prompt and store it.

        Raises:
            GenerationError: The image could not be made.
            ConstraintViolationError: The database refused the row.
        """

    @abstractmethod
    def get_image_by_guid(self, guid: str) -> Image:
        """Return an image.

        Raises:
            RecordNotFoundError: There is none that the caller may see.
        """

    @abstractmethod
    def get_all_images(self) -> list[Image]:
        """Return all images that the caller may see, newest first."""

    @abstractmethod
    def get_image_file(self, guid: str) -> str:
        """Return the absolute path of an image's file.

        Raises:
            RecordNotFoundError: There is none that the caller may see.
        """


class UserServiceInterface(ABC):
    """Looks up users during sign-in."""

    @abstractmethod
    def authenticate_user(self, username: str) -> User:
        """Return a user, disabled or not, without checking a password.

        Args:
            username: 1 to 64 characters.

        Raises:
            InvalidInputError: No user can have this name.
            RecordNotFoundError: No user has it.
        """
