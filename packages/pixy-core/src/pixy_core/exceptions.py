"""All exceptions of PixyProxy. None of them knows HTTP.

PixyProxyException
├── InvalidInputError               a value violates a rule of a model
├── FileTooLargeError               an uploaded file has more bytes than allowed
├── ConfigurationError              a setting is missing or wrong
├── AuthenticationRequiredError     the operation needs a signed-in user
├── InvalidCredentialsError         user unknown or disabled, or password wrong
│   └── InvalidKeyError             API key unknown, expired or revoked, or its owner disabled
├── ScopeMissingError               the API key may not do this
├── PasswordRequiredError           an API key is not enough, whatever its scopes
├── TooManyKeysError                the user has as many API keys as allowed
├── TooManyFailuresError            too many wrong passwords from a client
├── PermissionDeniedError           the caller may see the image but not change it
├── RecordNotFoundError             no such record, or the caller may not see it
├── ConstraintViolationError        the database refused a row
├── DBConnectionError               the database can't be reached
├── DatabaseBusyError               the database can't do this now
├── DatabaseError                   the database refused a statement for another reason
├── SchemaError                     the tables do not fit this version
├── StorageUnavailableError         image bytes can't be written
│   └── StoreMismatchError          the image folder belongs to another database
├── ContentDamagedError             an image file differs from its row
├── NoLocalFileError                the content store has objects, no files
├── BackupError                     a backup can't be made or restored
├── ArchiveError                    an archive can't be written or read
├── ServiceClosedError              the service is shutting down
├── RequestAbandonedError           the client left before the provider was asked
├── ImagePendingError               the image is still being made
├── ImageDeletedError               the image was made, and has been deleted
├── IdempotencyKeyInUseError        the request with this key is still running
├── IdempotencyKeyReusedError       the key belongs to another request
└── GenerationError                 no image was made
    ├── GenerationBusyError         all generation slots are taken, or the provider wants a pause
    ├── PromptRejectedError         the provider rejects the prompt
    │   └── ImageRejectedError      the provider rejects its own image
    ├── GeneratorRequestError       the provider rejects our request or model
    ├── GeneratorKeyError           the provider rejects our key
    ├── GeneratorUnreachableError   no connection to the provider
    ├── GeneratorClientError        this server could not send the request
    ├── GeneratorOverloadedError    the provider limits our rate or is overloaded
    ├── GeneratorQuotaError         the account has no credit or budget left
    ├── GeneratorResponseError      the response holds no usable image
    ├── ImageNotStoredError         the image can't be written
    ├── GenerationUnknownError      the connection broke after the request was sent
    └── GenerationTimeoutError      our deadline passed
"""

from typing import ClassVar, Literal

Billed = Literal["yes", "no", "unknown"]


class PixyProxyException(Exception):  # noqa: N818 - the specification gives this name
    """Base of all exceptions of PixyProxy.

    Attributes:
        reason: Details for operators, such as host and error code. For the log and the command
            line only, never for a response.

    Args:
        message: What happened, in words that may be shown to anyone. Default: the class's own.
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
    """A value violates a rule of a model.

    Args:
        errors: Pairs such as `(("prompt",), "must not be blank")`. They never repeat the value.
    """

    message = "The input is not valid"

    def __init__(self, errors: tuple[tuple[tuple[str, ...], str], ...] = ()) -> None:
        super().__init__()
        self.errors = errors


class FileTooLargeError(PixyProxyException):
    """An uploaded file has more bytes than allowed."""

    message = "The file is too large"


class ConfigurationError(PixyProxyException):
    """A setting is missing or wrong; the message names it and says what to set."""

    message = "A setting is missing or wrong"


class AuthenticationRequiredError(PixyProxyException):
    """The operation needs a signed-in user."""

    message = "Sign in to do this"


class InvalidCredentialsError(PixyProxyException):
    """The user is unknown or disabled, or the password is wrong: the message never says which."""

    message = "The user name or the password is wrong"


class InvalidKeyError(InvalidCredentialsError):
    """The API key is unknown, expired, revoked or another user's, or its owner is disabled.

    The message never says which.
    """

    message = "The API key is wrong, expired or revoked"


class ScopeMissingError(PixyProxyException):
    """The API key is valid, and may not do this.

    Args:
        scope: The scope that is missing.
    """

    message = "This API key may not do this"

    def __init__(self, scope: str | None = None) -> None:
        super().__init__(scope and f"This API key lacks the scope `{scope}`")
        self.scope = scope


class PasswordRequiredError(PixyProxyException):
    """An API key is not enough, whatever its scopes: sign in with the password."""

    message = "An API key can't do this: sign in with the password"


class TooManyKeysError(PixyProxyException):
    """The user has as many API keys as allowed."""

    message = "Too many API keys: revoke one first"


class TooManyFailuresError(PixyProxyException):
    """Too many wrong passwords from one client, for one user name or for all.

    Args:
        retry_after: Seconds until the next attempt is accepted.
    """

    message = "Too many wrong passwords"

    def __init__(self, *, retry_after: int = 300) -> None:
        super().__init__()
        self.retry_after = retry_after


class PermissionDeniedError(PixyProxyException):
    """The caller may see the image; only its owner may change it."""

    message = "Only the owner of an image may change it"


class RecordNotFoundError(PixyProxyException):
    """There is no such record, or the caller may not see it."""

    message = "Record not found"


class ConstraintViolationError(PixyProxyException):
    """The database refused a row: a value is taken, or refers to a row that is not there."""

    message = "A database constraint was violated"


class DBConnectionError(PixyProxyException):
    """The database can't be reached, or the connection broke."""

    message = "Error connecting to the database"


class DatabaseBusyError(PixyProxyException):
    """The database can't do this now: locked, no free connection, or read-only."""

    message = "The database is busy"


class DatabaseError(PixyProxyException):
    """The database refused a statement for a reason that has no class of its own."""

    message = "The database refused a statement"


class SchemaError(PixyProxyException):
    """The tables do not fit this version of PixyProxy."""

    message = "The database schema does not fit this version of PixyProxy"


class StorageUnavailableError(PixyProxyException):
    """Image bytes can't be written: the disk is full, read-only or gone."""

    message = "Image storage is unavailable"


class StoreMismatchError(StorageUnavailableError):
    """The image folder belongs to another database, or is not mounted."""

    message = "The image folder and the database do not belong together"


class ContentDamagedError(PixyProxyException):
    """An image file is missing or differs from its row."""

    message = "The file of this image is missing or damaged"


class NoLocalFileError(PixyProxyException):
    """The image is an object in a bucket, and has no path on this machine."""

    message = "The images are in object storage, and have no paths"


class BackupError(PixyProxyException):
    """A backup can't be made or restored; the message says why."""

    message = "The backup can't be made or restored"


class ArchiveError(PixyProxyException):
    """An archive can't be written or read; the message says why."""

    message = "The archive can't be written or read"


class ServiceClosedError(PixyProxyException):
    """The service is shutting down and accepts no new work."""

    message = "The service is shutting down"


class RequestAbandonedError(PixyProxyException):
    """The client left before the provider was asked, so nothing is made and nothing was paid."""

    message = "The client left before its image was asked for"


class ImagePendingError(PixyProxyException):
    """The image is still being made, so it can't be read, changed or deleted yet."""

    message = "This image is still being made"


class ImageDeletedError(PixyProxyException):
    """The image of a request was deleted, and is not made again."""

    message = "The image that this request made has been deleted"


class IdempotencyKeyInUseError(PixyProxyException):
    """The first request with this key is still running."""

    message = "The request with this idempotency key is still running"


class IdempotencyKeyReusedError(PixyProxyException):
    """The key was used for another request."""

    message = "This idempotency key belongs to a request that asked for something else"


class GenerationError(PixyProxyException):
    """No image was made.

    Attributes:
        code: An identifier for programs, in snake case.
        retryable: Whether the same request may succeed later.
        billed: Whether the provider charged for it.
        retry_after: Seconds after which a retry makes sense, if known.
        replayed: Whether it repeats the outcome of an earlier request with the same idempotency
            key.
        answer: The provider's response, if it may have been paid for and holds no image. For the
            quarantine only, never for a response or the log.

    Args:
        upstream_request_id: The provider's own id of the request, for its support.
        retry_after: Seconds, if the provider named a delay. Default: the class's own.
        answer: As the attribute.
        message: What happened, if the class's own message leaves something out.
    """

    message = "The image could not be made"
    code: ClassVar[str] = "generation_failed"
    retryable: ClassVar[bool] = False
    billed: ClassVar[Billed] = "no"
    retry_after: int | None = None
    replayed: bool = False

    def __init__(
        self,
        *,
        upstream_request_id: str | None = None,
        retry_after: int | None = None,
        answer: bytes | bytearray | None = None,
        message: str | None = None,
    ) -> None:
        super().__init__(message)
        self.upstream_request_id = upstream_request_id
        self.answer = answer
        if retry_after is not None:
            self.retry_after = retry_after


class GenerationBusyError(GenerationError):
    """All generation slots are taken, or the provider wants a pause; it was not asked."""

    message = "Too many images are being made right now"
    code = "generation_busy"
    retryable = True
    retry_after = 10


class PromptRejectedError(GenerationError):
    """The provider's moderation rejects the prompt; a retry won't help."""

    message = "The provider rejected this prompt"
    code = "prompt_rejected"


class ImageRejectedError(PromptRejectedError):
    """The provider's moderation rejects the image that it made; it may have charged for it."""

    message = "The provider rejected the image that it made of this prompt"
    code = "image_rejected"
    billed = "unknown"


class GeneratorRequestError(GenerationError):
    """The provider rejects our request or the model that it names."""

    message = "The provider refused the request"
    code = "provider_refused_request"


class GeneratorKeyError(GenerationError):
    """The provider rejects this server's key."""

    message = "The provider refused this server's credentials"
    code = "provider_refused_credentials"


class GeneratorUnreachableError(GenerationError):
    """No connection to the provider was established."""

    message = "The provider can't be reached"
    code = "provider_unreachable"
    retryable = True
    retry_after = 30


class GeneratorClientError(GenerationError):
    """This server could not send the request: memory, descriptors or certificates."""

    message = "This server can't ask the provider"
    code = "provider_not_asked"
    retryable = True
    retry_after = 30


class GeneratorOverloadedError(GenerationError):
    """The provider limits our rate, or is overloaded.

    Attributes:
        pause: Seconds for which it wants no further request; None if it did not say.
    """

    message = "The provider is overloaded"
    code = "provider_overloaded"
    retryable = True
    retry_after = 30
    pause: int | None = None


class GeneratorQuotaError(GenerationError):
    """The account at the provider has no credit or budget left."""

    message = "The account at the provider has no budget left"
    code = "provider_quota_exhausted"
    retryable = True
    retry_after = 3600


class GeneratorResponseError(GenerationError):
    """The response holds no usable image; the provider charged for it."""

    message = "The provider sent no usable image"
    code = "provider_sent_no_image"
    billed = "yes"


class ImageNotStoredError(GenerationError, StorageUnavailableError):
    """The image was made and paid for, but can't be written."""

    message = "The image was made, and could not be stored"
    code = "storage_unavailable"
    billed = "yes"
    retry_after = 30


class GenerationUnknownError(GenerationError):
    """The connection broke after the request was sent; the provider may have charged for it."""

    message = "The outcome at the provider is unknown"
    code = "outcome_unknown"
    billed = "unknown"


class GenerationTimeoutError(GenerationUnknownError):
    """Our deadline passed while the provider worked; it may have charged for it."""

    message = "The provider took too long"
    code = "generation_timeout"


def find_generation_error(code: str) -> type[GenerationError]:
    """Return the class with this code; GenerationError if there is none."""
    kinds = [GenerationError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return next((kind for kind in kinds if kind.code == code), GenerationError)
