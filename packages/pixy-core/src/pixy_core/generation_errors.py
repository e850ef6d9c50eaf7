"""The failures of a generation: what each means for a retry, and for the bill.

The tree that they belong to is drawn in exceptions.py.
"""

from typing import ClassVar, Literal

from pixy_core.exceptions import PixyProxyException, StorageUnavailableError

Billed = Literal["yes", "no", "unknown"]


class GenerationError(PixyProxyException):
    """An image could not be made.

    Attributes:
        code: A stable word for programs, in snake case.
        retryable: Whether the same request may succeed later.
        billed: Whether the provider charged for it.
        retry_after: Seconds after which a retry makes sense, where that is known.
        replayed: Whether an earlier request with the same idempotency key failed so.
        answer: What the provider sent, where it may have been paid for and holds no image.
            For the quarantine only, never for a response or the log.

    Args:
        upstream_request_id: The provider's own id of the request, for its support.
        retry_after: Seconds, when the provider named a delay; else the class's own.
        answer: As the attribute.
        message: What happened, where the class's own words leave out something.
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
    """All places for a generation are taken; nothing was asked of the provider."""

    message = "Too many images are being made right now"
    code = "generation_busy"
    retryable = True
    retry_after = 10


class PromptRejectedError(GenerationError):
    """The provider's moderation will not draw this prompt; a retry won't help."""

    message = "The provider rejected this prompt"
    code = "prompt_rejected"


class ImageRejectedError(PromptRejectedError):
    """The provider drew an image and its moderation rejected that: it may have been charged."""

    message = "The provider rejected the image that it made of this prompt"
    code = "image_rejected"
    billed = "unknown"


class GeneratorRequestError(GenerationError):
    """The provider calls our request, or the model that it names, wrong."""

    message = "The provider refused the request"
    code = "provider_refused_request"


class GeneratorKeyError(GenerationError):
    """The provider does not accept this server's key."""

    message = "The provider refused this server's credentials"
    code = "provider_refused_credentials"


class GeneratorUnreachableError(GenerationError):
    """No connection to the provider was ever made."""

    message = "The provider can't be reached"
    code = "provider_unreachable"
    retryable = True
    retry_after = 30


class GeneratorClientError(GenerationError):
    """This server could not even make the request: memory, descriptors, certificates."""

    message = "This server can't ask the provider"
    code = "provider_not_asked"
    retryable = True
    retry_after = 30


class GeneratorOverloadedError(GenerationError):
    """The provider limits our rate, or is overloaded."""

    message = "The provider is overloaded"
    code = "provider_overloaded"
    retryable = True
    retry_after = 30


class GeneratorQuotaError(GenerationError):
    """The account at the provider has no credit or budget left."""

    message = "The account at the provider has no budget left"
    code = "provider_quota_exhausted"
    retryable = True
    retry_after = 3600


class GeneratorResponseError(GenerationError):
    """The provider answered, and charged for it, but without a usable image."""

    message = "The provider sent no usable image"
    code = "provider_sent_no_image"
    billed = "yes"


class ImageNotStoredError(GenerationError, StorageUnavailableError):
    """The image was made and paid for, and its bytes can't be written."""

    message = "The image was made, and could not be stored"
    code = "storage_unavailable"
    billed = "yes"
    retry_after = 30


class GenerationUnknownError(GenerationError):
    """The exchange broke off after the request was sent: it may have been charged."""

    message = "The outcome at the provider is unknown"
    code = "outcome_unknown"
    billed = "unknown"


class GenerationTimeoutError(GenerationUnknownError):
    """The deadline passed while the provider worked: it may have been charged."""

    message = "The provider took too long"
    code = "generation_timeout"


def find_generation_error(code: str) -> type[GenerationError]:
    """Find the class of a failed generation by its code; GenerationError when none has it.

    Args:
        code: As `GenerationError.code`.

    Raises:
        Nothing.
    """
    kinds = [GenerationError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return next((kind for kind in kinds if kind.code == code), GenerationError)
