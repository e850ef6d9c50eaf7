"""Every failure that PixyProxy names, one class each; none of them knows HTTP.

Those of a generation are drawn here and stand in generation_errors.py.

PixyProxyException
├── InvalidInputError               a value breaks a rule of a model
├── ConfigurationError              a setting is missing or wrong
├── AuthenticationRequiredError     nobody is signed in, and somebody has to be
├── InvalidCredentialsError         user unknown, disabled, or password wrong
├── TooManyFailuresError            too many wrong passwords from one place
├── PermissionDeniedError           the caller may see it but not change it
├── RecordNotFoundError             no such record, or none that the caller may see
├── ConstraintViolationError        the database refused a row
├── DBConnectionError               the database can't be reached
├── DatabaseBusyError               it can be reached, and can't do this now
├── DatabaseError                   it refused a statement for another reason
├── SchemaError                     its tables are not the ones that this version needs
├── StorageUnavailableError         image bytes can't be written
│   └── StoreMismatchError          the image folder belongs to another database
├── ContentDamagedError             a file is not what its row says
├── BackupError                     a backup can't be made or restored
├── ServiceClosedError              the service is shutting down
├── ImagePendingError               the image is still being made
├── ImageDeletedError               the image was made, and has been deleted
├── IdempotencyKeyInUseError        the request with this key still runs
├── IdempotencyKeyReusedError       the key belongs to another request
└── GenerationError                 an image could not be made
    ├── GenerationBusyError         all places are taken
    ├── PromptRejectedError         the provider will not draw this
    │   └── ImageRejectedError      it drew it, and rejected the image
    ├── GeneratorRequestError       the provider calls our request or model wrong
    ├── GeneratorKeyError           the provider refuses our key
    ├── GeneratorUnreachableError   no connection was ever made
    ├── GeneratorClientError        this server could not even make the request
    ├── GeneratorOverloadedError    the provider asks us to slow down
    ├── GeneratorQuotaError         the account has no money or budget left
    ├── GeneratorResponseError      the provider answered without a usable image
    ├── ImageNotStoredError         it was made, and its bytes can't be written
    ├── GenerationUnknownError      it broke off after the request was sent
    └── GenerationTimeoutError      our deadline passed
"""

from typing import ClassVar


class PixyProxyException(Exception):  # noqa: N818 - the specification gives this name
    """A failure that PixyProxy has a name for.

    Attributes:
        reason: What operators need to know besides, such as host and error code. For the log and
            the command line only, never for a response.

    Args:
        message: What happened, in words that a stranger may read; else the class's own.
    """

    message: ClassVar[str] = "An unexpected error occurred while processing your request."
    reason: str = ""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)

    @property
    def explanation(self) -> str:
        """The message and the reason, for the log and the command line."""
        return f"{self}: {self.reason}" if self.reason else str(self)


class InvalidInputError(PixyProxyException):
    """A value breaks a rule of a model.

    Args:
        errors: Pairs such as `(("prompt",), "must not be blank")`, which repeat no value.
    """

    message = "The input is not valid"

    def __init__(self, errors: tuple[tuple[tuple[str, ...], str], ...] = ()) -> None:
        super().__init__()
        self.errors = errors


class ConfigurationError(PixyProxyException):
    """A setting is missing or wrong; the message names it and says what to set."""

    message = "A setting is missing or wrong"


class AuthenticationRequiredError(PixyProxyException):
    """Nobody is signed in, and the operation needs somebody."""

    message = "Sign in to do this"


class InvalidCredentialsError(PixyProxyException):
    """The user is unknown or disabled, or the password is wrong: never said which."""

    message = "The user name or the password is wrong"


class TooManyFailuresError(PixyProxyException):
    """Too many wrong passwords for one user name from one place.

    Args:
        retry_after: Seconds after which a password is looked at again.
    """

    message = "Too many wrong passwords"

    def __init__(self, *, retry_after: int = 300) -> None:
        super().__init__()
        self.retry_after = retry_after


class PermissionDeniedError(PixyProxyException):
    """The caller may see the image; only its owner may change it."""

    message = "Only the owner of an image may change it"


class RecordNotFoundError(PixyProxyException):
    """There is no such record, or none that the caller may see."""

    def __init__(self) -> None:
        super().__init__("Record not found")


class ConstraintViolationError(PixyProxyException):
    """The database refused a row: not unique, or a reference to nothing."""

    def __init__(self) -> None:
        super().__init__("A database constraint was violated")


class DBConnectionError(PixyProxyException):
    """The database can't be reached, or the connection to it broke."""

    def __init__(self) -> None:
        super().__init__("Error connecting to the database")


class DatabaseBusyError(PixyProxyException):
    """The database answers but can't do this now: locks, no free connection, read-only."""

    message = "The database is busy"


class DatabaseError(PixyProxyException):
    """The database refused a statement for a reason that has no class of its own."""

    message = "The database refused a statement"


class SchemaError(PixyProxyException):
    """The tables are not those that this version of PixyProxy needs."""

    message = "The database schema does not fit this version of PixyProxy"


class StorageUnavailableError(PixyProxyException):
    """Image bytes can't be written: disk full, read-only or gone."""

    message = "Image storage is unavailable"


class StoreMismatchError(StorageUnavailableError):
    """The image folder is not the one that belongs to the database: not mounted, or another's."""

    message = "The image folder and the database do not belong together"


class ContentDamagedError(PixyProxyException):
    """The file of an image is missing, or differs from what its row says."""

    message = "The file of this image is missing or damaged"


class BackupError(PixyProxyException):
    """A backup can't be made or restored; the message says what is in the way."""

    message = "The backup can't be made or restored"


class ServiceClosedError(PixyProxyException):
    """The service is shutting down and takes no new work."""

    message = "The service is shutting down"


class ImagePendingError(PixyProxyException):
    """The image is still being made, so it can't be read, changed or deleted yet."""

    message = "This image is still being made"


class ImageDeletedError(PixyProxyException):
    """The image that a request made has been deleted since, and is not made again."""

    message = "The image that this request made has been deleted"


class IdempotencyKeyInUseError(PixyProxyException):
    """The first request with this key still runs."""

    message = "The request with this idempotency key is still running"


class IdempotencyKeyReusedError(PixyProxyException):
    """The key came with another request before."""

    message = "This idempotency key belongs to a request that asked for something else"
