import pytest

from pixy_core import (
    GenerationError,
    GenerationUnknownError,
    GeneratorOverloadedError,
    GeneratorQuotaError,
    GeneratorRequestError,
    PromptRejectedError,
)
from pixy_service.generators.openai.refusals import (
    ProviderError,
    classify_refusal,
    explain_refusal,
    printable_code,
    read_retry_after,
)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "moderation_blocked", PromptRejectedError),
        (400, "billing_hard_limit_reached", GeneratorQuotaError),
        (429, "organization_spend_limit_exceeded", GeneratorQuotaError),
        (429, "slow_down", GeneratorOverloadedError),
        (403, "insufficient_quota", GeneratorQuotaError),
        (418, None, GeneratorRequestError),
        (599, None, GenerationUnknownError),
    ],
)
def test_a_code_decides_before_the_status(
    status: int, code: str | None, expected: type[GenerationError]
) -> None:
    error = ProviderError() if code is None else ProviderError((code,))
    assert classify_refusal(status, error) is expected


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0", 1), ("3600", 3600), ("86400", 3600)]
)
def test_a_delay_in_seconds_is_read_and_kept_within_an_hour(header: str, seconds: int) -> None:
    assert read_retry_after(header) == seconds


@pytest.mark.parametrize(
    "header", [None, "", "-1", "1.5", "soon", "\u0667", "9" * 5000, "Wed, 21 Oct 2026 07:28:00 GMT"]
)
def test_any_other_delay_is_left_to_the_class(header: str | None) -> None:
    assert read_retry_after(header) is None


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "pause"),
    [
        (429, "rate_limit_exceeded", "7", 7),
        (429, None, "0", 1),
        (429, "rate_limit_exceeded", None, None),
        (429, "insufficient_quota", "7", None),
        (503, "server_overloaded", "7", None),
        (400, "slow_down", "7", None),
    ],
)
def test_only_a_rate_limit_with_a_delay_asks_for_a_pause(
    status: int, code: str | None, retry_after: str | None, pause: int | None
) -> None:
    error = ProviderError() if code is None else ProviderError((code,))
    refusal = explain_refusal(status, error, None, retry_after)
    assert getattr(refusal, "pause", None) == pause


@pytest.mark.parametrize("code", [None, "", "two words", "line\nbreak", "a" * 65, "sk-secret"])
def test_a_code_that_is_no_plain_word_is_not_logged(code: str | None) -> None:
    assert printable_code(code) == "-"


def test_a_plain_code_is_logged() -> None:
    assert printable_code("rate_limit_exceeded") == "rate_limit_exceeded"
