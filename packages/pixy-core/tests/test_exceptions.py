"""The failures: what they say, and that one tree holds them all."""

import inspect

import pytest

import pixy_core
from pixy_core import exceptions, generation_errors
from pixy_core.exceptions import (
    ConstraintViolationError,
    DBConnectionError,
    InvalidInputError,
    PixyProxyException,
    RecordNotFoundError,
)
from pixy_core.generation_errors import (
    GenerationError,
    GenerationUnknownError,
    GeneratorOverloadedError,
)

FAILURES = [
    cls
    for module in (exceptions, generation_errors)
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if cls.__module__ == module.__name__ and issubclass(cls, Exception)
]
GENERATION_FAILURES = [cls for cls in FAILURES if issubclass(cls, GenerationError)]


@pytest.mark.parametrize("failure", FAILURES)
def test_every_failure_can_be_raised_with_no_argument_and_says_something(
    failure: type[PixyProxyException],
) -> None:
    assert issubclass(failure, PixyProxyException)
    assert str(failure())


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (DBConnectionError, "Error connecting to the database"),
        (RecordNotFoundError, "Record not found"),
        (ConstraintViolationError, "A database constraint was violated"),
    ],
)
def test_the_specified_failures_carry_the_specified_message(
    failure: type[PixyProxyException], message: str
) -> None:
    assert str(failure()) == message


def test_a_message_replaces_the_class_s_own() -> None:
    assert str(PixyProxyException("An unexpected error")) == "An unexpected error"


@pytest.mark.parametrize("failure", FAILURES)
def test_every_failure_is_exported_and_stands_in_the_tree(
    failure: type[PixyProxyException],
) -> None:
    tree = exceptions.__doc__ or ""
    assert failure.__name__ in pixy_core.__all__
    assert any(failure.__name__ in line.split() for line in tree.splitlines())


def test_invalid_input_keeps_where_and_why() -> None:
    error = InvalidInputError(((("prompt",), "must not be blank"),))
    assert error.errors == ((("prompt",), "must not be blank"),)


def test_generation_failures_have_codes_of_their_own() -> None:
    codes = [failure.code for failure in GENERATION_FAILURES]
    assert len(set(codes)) == len(codes) > 1


@pytest.mark.parametrize("failure", GENERATION_FAILURES)
def test_a_generation_failure_that_may_be_billed_is_not_offered_for_retry(
    failure: type[GenerationError],
) -> None:
    assert not (failure.retryable and failure.billed != "no")


def test_an_unknown_outcome_says_that_the_bill_is_unknown() -> None:
    assert GenerationUnknownError().billed == "unknown"


def test_the_delay_that_a_provider_names_replaces_the_class_s_own() -> None:
    assert GeneratorOverloadedError(retry_after=7).retry_after == 7
    assert GeneratorOverloadedError().retry_after == 30


def test_the_provider_s_request_id_is_kept_but_not_said() -> None:
    error = GenerationError(upstream_request_id="req_1")
    assert error.upstream_request_id == "req_1"
    assert "req_1" not in str(error)
