"""What failures mean: the provider's errors by `error.code` first, by the status second.

Codes and statuses are those of https://platform.openai.com/docs/guides/error-codes, and those that
gateways make of them.
"""

import logging
import re
from typing import Any, NamedTuple

from pixy_core import (
    GenerationError,
    GenerationUnknownError,
    GeneratorClientError,
    GeneratorKeyError,
    GeneratorOverloadedError,
    GeneratorQuotaError,
    GeneratorRequestError,
    ImageRejectedError,
    PromptRejectedError,
)

logger = logging.getLogger(__name__)

# in the spelling of `_fold`; Azure's are contentFilter, content_filter and the last
_REJECTION_CODES = frozenset(
    {
        "moderationblocked",
        "contentpolicyviolation",
        "contentfilter",
        "responsibleaipolicyviolation",
    }
)
_QUOTA_CODES = frozenset(
    {
        "credit_balance_exhausted",
        "insufficient_quota",
        "billing_hard_limit_reached",
        "organization_usage_limit_exceeded",
    }
)
_QUOTA_SUFFIX = "spend_limit_exceeded"
_QUOTA_TYPE = "insufficient_quota"
_OVERLOAD_CODES = frozenset({"slow_down", "rate_limit_exceeded"})
_KEY_CODE = "invalid_api_key"
_REQUEST_TYPE = "invalid_request_error"
_OVERLOAD_STATUSES = frozenset({429, 503})
_KEY_STATUSES = frozenset({401, 403})
_REQUEST_TIMEOUT = 408
_TOO_MANY_REQUESTS = 429
_MAX_RETRY_AFTER = 3600
_mentions_moderation = re.compile(
    r"moderation|content[ _]?(?:policy|filter|management)|safety system", re.IGNORECASE
).search
_is_status = re.compile(r"[45][0-9]{2}").fullmatch


class ProviderError(NamedTuple):
    """The error object of an answer.

    Attributes:
        codes: Its `code`, and the more exact one that Azure puts inside it.
        kind: Its `type`.
        message: The provider's words; never logged or passed on.
        stage: Where its moderation stopped the request: `input`, `output` or `unknown`.
    """

    codes: tuple[str, ...] = ()
    kind: str = ""
    message: str = ""
    stage: str = ""

    @property
    def code(self) -> str | None:
        """The code; None if there is none."""
        return self.codes[0] if self.codes else None


def read_error(error: object) -> ProviderError:
    """Read an error object of any shape."""
    if not isinstance(error, dict):
        return ProviderError(message=error if isinstance(error, str) else "")
    details = error.get("moderation_details")
    inner = error.get("innererror") or error.get("inner_error")
    codes = (error.get("code"), inner.get("code") if isinstance(inner, dict) else None)
    return ProviderError(
        tuple(code for code in map(_to_text, codes) if code),
        _to_text(error.get("type")),
        _to_text(error.get("message")),
        _to_text(details.get("moderation_stage")) if isinstance(details, dict) else "",
    )


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def classify_refusal(status: int, error: ProviderError) -> type[GenerationError]:
    """Return the exception class for an answer with status 3xx, 4xx or 5xx."""
    if _is_rejection(error):
        # only a rejection before the image was drawn is certainly not billed
        is_drawn = error.stage in ("output", "unknown")
        return ImageRejectedError if is_drawn else PromptRejectedError
    if _is_quota(error):
        return GeneratorQuotaError
    if status in _KEY_STATUSES:
        return GeneratorKeyError
    if status in _OVERLOAD_STATUSES or error.code == "slow_down":
        return GeneratorOverloadedError
    # after 408, as after 5xx, the outcome is unknown
    if status >= 500 or status == _REQUEST_TIMEOUT:
        return GenerationUnknownError
    return GeneratorRequestError


def explain_refusal(
    status: int, error: ProviderError, request_id: str | None, retry_after: str | None
) -> GenerationError:
    """Return what to raise for an answer with status 3xx, 4xx or 5xx, and log it."""
    kind, seconds = classify_refusal(status, error), read_retry_after(retry_after)
    _log_refusal(kind, status, error, request_id)
    refusal = kind(upstream_request_id=request_id, retry_after=seconds)
    if status == _TOO_MANY_REQUESTS and isinstance(refusal, GeneratorOverloadedError):
        # a rate limit is the account's: it concerns every request of every process
        refusal.pause = seconds
    return refusal


def explain_late_refusal(
    error: ProviderError, request_id: str | None, answer: bytes | None, *, is_drawn: bool
) -> GenerationError:
    """Return what to raise for an error in an answer with status 200, and log it.

    Args:
        error: The error.
        request_id: The provider's own id of the request.
        answer: The received bytes, kept if they may have been paid for.
        is_drawn: Whether a partial image came before the error.
    """
    kind = _classify_late_refusal(error, is_drawn=is_drawn)
    _log_refusal(kind, 200, error, request_id)
    return kind(upstream_request_id=request_id, answer=None if kind.billed == "no" else answer)


def explain_unsent(error: Exception) -> GeneratorClientError:
    """Return what a failure before the request means. Only words of the system are logged."""
    reason = getattr(error, "strerror", None) or ""
    # no image can be made until an operator has acted
    logger.critical("the provider could not be asked: %s %s", type(error).__name__, reason)
    return GeneratorClientError()


def _log_refusal(
    kind: type[GenerationError], status: int, error: ProviderError, request_id: str | None
) -> None:
    # an operator must restore the quota or the key: until then no request succeeds
    is_alert = issubclass(kind, GeneratorQuotaError | GeneratorKeyError)
    logger.log(
        logging.CRITICAL if is_alert else logging.WARNING,
        "the provider answered with an error: status %d, code %s, request id %s",
        status,
        printable_code(error.code),
        request_id,
    )


def _classify_late_refusal(error: ProviderError, *, is_drawn: bool) -> type[GenerationError]:
    kind = classify_refusal(_find_status(error), error)
    # an image that was partly drawn may have been charged, unless the code excludes that
    if is_drawn and not issubclass(kind, PromptRejectedError | GeneratorQuotaError):
        return GenerationUnknownError
    return kind


def _find_status(error: ProviderError) -> int:
    """Return the status that the error should have had instead of 200."""
    # LiteLLM gives it as the code
    if error.code and _is_status(error.code):
        return int(error.code)
    if error.code in _OVERLOAD_CODES:
        return 429
    if error.code == _KEY_CODE:
        return 401
    return 400 if error.kind == _REQUEST_TYPE else 500


def _is_rejection(error: ProviderError) -> bool:
    if not _REJECTION_CODES.isdisjoint(map(_fold, error.codes)):
        return True
    # LiteLLM replaces the code by 400, so the message has to tell
    return error.code == "400" and bool(_mentions_moderation(f"{error.kind} {error.message}"))


def _fold(code: str) -> str:
    return code.replace("_", "").replace("-", "").lower()


def _is_quota(error: ProviderError) -> bool:
    code = error.code
    if code is None or _is_status(code):
        return error.kind == _QUOTA_TYPE
    return code in _QUOTA_CODES or code.endswith(_QUOTA_SUFFIX)


def read_retry_after(header: str | None) -> int | None:
    """Return the seconds of a Retry-After header, 1 to 3,600; None for any other form.

    RFC 9110, section 10.2.3.
    """
    if header is None or re.fullmatch(r"[0-9]{1,9}", header) is None:
        return None
    return min(max(int(header), 1), _MAX_RETRY_AFTER)


def printable_code(code: object) -> str:
    """Return an error code for the log, or "-" if it is not a plain word."""
    is_plain = isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.]{1,64}", code)
    return str(code) if is_plain else "-"
