"""Users: who they are, and how they are added, listed, disabled and given a new password.

Whether somebody is who he says stands in passwords.py.
"""

from pixy_core import ConstraintViolationError, RecordNotFoundError, User
from pixy_data import UserRepositoryInterface
from pixy_service.accounts.passwords import hash_password
from pixy_service.interfaces import UserServiceInterface
from pixy_service.validation import DEFAULT_LIMITS, Limits, validate_class_key, validate_username


class UserService(UserServiceInterface):
    """What a sign-in asks about users, and what the command line does with them.

    Args:
        user_repo: The rows of the users.
        lengths: How long new names and passwords may be.
    """

    def __init__(
        self, user_repo: UserRepositoryInterface, lengths: Limits = DEFAULT_LIMITS
    ) -> None:
        self.user_repo = user_repo
        self._lengths = lengths

    def authenticate_user(self, username: str) -> User:
        """Return a user by name, disabled or not; a password is not checked here.

        Args:
            username: 1 to 64 characters.

        Raises:
            InvalidInputError: No user can have this name.
            RecordNotFoundError: No user has it.
            DBConnectionError: The database can't be reached.
        """
        user = self.user_repo.authenticate_user(validate_username(username))
        if user is None:
            raise RecordNotFoundError
        return user

    def add_user(self, username: str, password: str, class_key: str) -> User:
        """Add a user and return it as it is stored.

        Args:
            username: 1 to 64 characters, no colon.
            password: At least 8 characters; only its hash is stored.
            class_key: The class, or team, that the user belongs to; 1 to 64 characters.

        Raises:
            InvalidInputError: An argument breaks its rule.
            ConstraintViolationError: There is such a user.
            DBConnectionError: The database can't be reached.
        """
        username, class_key = self._validate(username, class_key)
        hashed = hash_password(password, self._lengths.password_length)
        user = User(username=username, password=hashed, class_key=class_key)
        return self.user_repo.insert_user(user)

    def check_new_user(self, username: str, class_key: str) -> None:
        """Return if such a user could be added, before anybody is asked for a password.

        Args:
            username: As for `add_user`.
            class_key: As for `add_user`.

        Raises:
            InvalidInputError: An argument breaks its rule.
            ConstraintViolationError: There is such a user.
            DBConnectionError: The database can't be reached.
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
        """Return all users by name.

        Raises:
            DBConnectionError: The database can't be reached.
        """
        return self.user_repo.list_users()

    def set_password(self, username: str, password: str) -> None:
        """Give a user a new password; the old one is refused from the next request on.

        Args:
            username: 1 to 64 characters.
            password: At least 8 characters.

        Raises:
            InvalidInputError: An argument breaks its rule.
            RecordNotFoundError: There is no such user.
            DBConnectionError: The database can't be reached.
        """
        username = validate_username(username)
        hashed = hash_password(password, self._lengths.password_length)
        _require(self.user_repo.update_password(username, hashed))

    def disable_user(self, username: str) -> None:
        """Refuse a user's credentials from the next request on.

        Args:
            username: 1 to 64 characters.

        Raises:
            InvalidInputError: No user can have this name.
            RecordNotFoundError: There is no such user.
            DBConnectionError: The database can't be reached.
        """
        _require(self.user_repo.update_disabled(validate_username(username), True))

    def enable_user(self, username: str) -> None:
        """Accept a user's credentials again.

        Args:
            username: 1 to 64 characters.

        Raises:
            InvalidInputError: No user can have this name.
            RecordNotFoundError: There is no such user.
            DBConnectionError: The database can't be reached.
        """
        _require(self.user_repo.update_disabled(validate_username(username), False))


def _require(is_found: bool) -> None:
    if not is_found:
        raise RecordNotFoundError
