"""Users: adding, listing, disabling, and changing passwords."""

from abc import ABC, abstractmethod

from pixy_core import ConstraintViolationError, RecordNotFoundError, User
from pixy_data import UserRepositoryInterface
from pixy_service.accounts.passwords import hash_password
from pixy_service.validation import DEFAULT_LIMITS, Limits, validate_class_key, validate_username


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


class UserService(UserServiceInterface):
    """The users: what a sign-in asks about them, and what the command line changes.

    Raises:
        InvalidInputError: From every method: an argument breaks a rule.
        RecordNotFoundError: From every method that takes an existing user: there is none.
        DBConnectionError: From every method: the database can't be reached.
    """

    def __init__(
        self, user_repo: UserRepositoryInterface, lengths: Limits = DEFAULT_LIMITS
    ) -> None:
        self.user_repo = user_repo
        self._lengths = lengths

    def authenticate_user(self, username: str) -> User:
        """Return a user, disabled or not, without checking a password."""
        user = self.user_repo.authenticate_user(validate_username(username))
        if user is None:
            raise RecordNotFoundError
        return user

    def add_user(self, username: str, password: str, class_key: str) -> User:
        """Add a user, and return it as it is stored.

        Args:
            username: 1 to 64 characters, no colon.
            password: At least 8 characters; only its hash is stored.
            class_key: The class or team of the user, 1 to 64 characters.

        Raises:
            ConstraintViolationError: The name is taken.
        """
        username, class_key = self._validate(username, class_key)
        hashed = hash_password(password, self._lengths.password_length)
        user = User(username=username, password=hashed, class_key=class_key)
        return self.user_repo.insert_user(user)

    def check_new_user(self, username: str, class_key: str) -> None:
        """Return if a user could be added, before anybody is asked for a password.

        Raises:
            ConstraintViolationError: The name is taken.
        """
        username, _ = self._validate(username, class_key)
        if self.user_repo.authenticate_user(username) is not None:
            raise ConstraintViolationError

    def _validate(self, username: str, class_key: str) -> tuple[str, str]:
        return (
            validate_username(username, self._lengths.username_length),
            validate_class_key(class_key),
        )

    def list_users(self) -> list[User]:
        """Return all users, ordered by name."""
        return self.user_repo.list_users()

    def set_password(self, username: str, password: str) -> None:
        """Change a user's password; the old one is refused from the next request on."""
        username = validate_username(username)
        hashed = hash_password(password, self._lengths.password_length)
        _require(self.user_repo.update_password(username, hashed))

    def disable_user(self, username: str) -> None:
        """Refuse a user's credentials from the next request on."""
        _require(self.user_repo.update_disabled(validate_username(username), True))

    def enable_user(self, username: str) -> None:
        """Accept a user's credentials again."""
        _require(self.user_repo.update_disabled(validate_username(username), False))


def _require(is_found: bool) -> None:
    if not is_found:
        raise RecordNotFoundError
