"""The exceptions: their messages, and the tree that names all of them."""

import inspect

import pytest

import pixy_core
from pixy_core import exceptions
from pixy_core.exceptions import (
    ConstraintViolationError,
    DBConnectionError,
    GenerationError,
    GenerationUnknownError,
    GeneratorOverloadedError,
    InvalidInputError,
    PixyProxyException,
    RecordNotFoundError,
)

EXCEPTIONS = [
    cls
    for _, cls in inspect.getmembers(exceptions, inspect.isclass)
    if cls.__module__ == exceptions.__name__ and issubclass(cls, Exception)
]
GENERATION_ERRORS = [cls for cls in EXCEPTIONS if issubclass(cls, GenerationError)]


@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_every_exception_can_be_raised_without_arguments_and_has_a_message(
    exception: type[PixyProxyException],
) -> None:
    assert issubclass(exception, PixyProxyException)
    assert str(exception())


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        (DBConnectionError, "Error connecting to the database"),
        (RecordNotFoundError, "Record not found"),
        (ConstraintViolationError, "A database constraint was violated"),
    ],
)
def test_the_specified_exceptions_have_the_specified_messages(
    exception: type[PixyProxyException], message: str
) -> None:
    assert str(exception()) == message


def test_a_message_replaces_the_default() -> None:
    assert str(PixyProxyException("An unexpected error")) == "An unexpected error"


@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_every_exception_is_exported_and_listed_in_the_tree(
    exception: type[PixyProxyException],
) -> None:
    tree = exceptions.__doc__ or ""
    assert exception.__name__ in pixy_core.__all__
    assert any(exception.__name__ in line.split() for line in tree.splitlines())


def test_invalid_input_names_field_and_reason() -> None:
    error = InvalidInputError(((("prompt",), "must not be blank"),))
    assert error.errors == ((("prompt",), "must not be blank"),)


def test_each_generation_error_has_its_own_code() -> None:
    codes = [exception.code for exception in GENERATION_ERRORS]
    assert len(set(codes)) == len(codes) > 1


@pytest.mark.parametrize("exception", GENERATION_ERRORS)
def test_a_generation_error_that_may_be_billed_is_not_retryable(
    exception: type[GenerationError],
) -> None:
    assert not (exception.retryable and exception.billed != "no")


def test_an_unknown_outcome_is_billed_unknown() -> None:
    assert GenerationUnknownError().billed == "unknown"


def test_a_delay_named_by_the_provider_replaces_the_default() -> None:
    assert GeneratorOverloadedError(retry_after=7).retry_after == 7
    assert GeneratorOverloadedError().retry_after == 30


def test_the_provider_request_id_is_not_part_of_the_message() -> None:
    error = GenerationError(upstream_request_id="req_1")
    assert error.upstream_request_id == "req_1"
    assert "req_1" not in str(error)
