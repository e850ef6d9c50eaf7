"""What OpenAI's error answers mean, decided by their `error.code` first and their status second.

Knows no SDK: exchange.py takes the answers apart. Codes and statuses are those of
https://platform.openai.com/docs/guides/error-codes.
"""

import re

from pixy_core import (
    GenerationError,
    GenerationUnknownError,
    GeneratorKeyError,
    GeneratorOverloadedError,
    GeneratorQuotaError,
    GeneratorRequestError,
    PromptRejectedError,
)

_REJECTION_CODES = frozenset({"moderation_blocked", "content_policy_violation"})
_QUOTA_CODES = frozenset(
    {"credit_balance_exhausted", "insufficient_quota", "billing_hard_limit_reached"}
)
_QUOTA_SUFFIX = "spend_limit_exceeded"
_OVERLOAD_STATUSES = frozenset({429, 503})
_KEY_STATUSES = frozenset({401, 403})
_REQUEST_TIMEOUT = 408
_MAX_RETRY_AFTER = 3600


def classify_refusal(status: int, code: str | None) -> type[GenerationError]:
    """Return the class of an answer that is no success.

    Args:
        status: The answer's HTTP status: 3xx, 4xx or 5xx.
        code: Its `error.code`, where it has one.
    """
    if code in _REJECTION_CODES:
        return PromptRejectedError
    if code is not None and (code in _QUOTA_CODES or code.endswith(_QUOTA_SUFFIX)):
        return GeneratorQuotaError
    if status in _KEY_STATUSES:
        return GeneratorKeyError
    if status in _OVERLOAD_STATUSES:
        return GeneratorOverloadedError
    # a 408 leaves open what became of the request, as a 5xx does
    if status >= 500 or status == _REQUEST_TIMEOUT:
        return GenerationUnknownError
    return GeneratorRequestError


def classify_interruption(code: object) -> type[GenerationError]:
    """Return the class of an error that comes among the events of an answer whose status was 200.

    Args:
        code: Its `error.code`, if it has one; of any type, since nobody has checked it.
    """
    # what was drawn before it may have been charged, unless the code says why nothing was
    return classify_refusal(500, code if isinstance(code, str) else None)


def read_retry_after(header: str | None) -> int | None:
    """Return the seconds of a Retry-After header, at most an hour; None for any other form.

    Args:
        header: The field's value (RFC 9110, section 10.2.3), where there is one.
    """
    if header is None or re.fullmatch(r"[0-9]{1,9}", header) is None:
        return None
    return min(max(int(header), 1), _MAX_RETRY_AFTER)


def printable_code(code: object) -> str:
    """Return an error code for the log, or "-" when it is not the plain word that codes are."""
    is_plain = isinstance(code, str) and re.fullmatch(r"[a-z0-9_.]{1,64}", code)
    return str(code) if is_plain else "-"
