"""Driver errors that no server gives on demand."""

import sqlite3

import pytest
import sqlalchemy.exc

from pixy_core import (
    ConstraintViolationError,
    DatabaseBusyError,
    DatabaseError,
    DBConnectionError,
    PixyProxyException,
)
from pixy_data.errors import ConnectionLostError, TransactionConflictError, translate_error


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (2006, ConnectionLostError),
        (2013, ConnectionLostError),
        (2055, ConnectionLostError),
        (4031, ConnectionLostError),
        (0, ConnectionLostError),
        (2002, DBConnectionError),
        (1213, TransactionConflictError),
        (1205, TransactionConflictError),
        (1040, DatabaseBusyError),
        (1290, DatabaseBusyError),
        (1836, DatabaseBusyError),
        (3819, ConstraintViolationError),
        (1064, DatabaseError),
    ],
)
def test_each_code_of_mysql_has_its_meaning(code: int, expected: type[PixyProxyException]) -> None:
    error = sqlite3.OperationalError(code, "what the server says")
    assert type(translate_error(error, sqlite3)) is expected


def test_what_sqlalchemy_wraps_is_unwrapped() -> None:
    wrapped = sqlalchemy.exc.DBAPIError("SELECT", {}, sqlite3.IntegrityError("UNIQUE"))
    assert isinstance(translate_error(wrapped, sqlite3), ConstraintViolationError)


def test_what_no_driver_raised_is_a_database_error() -> None:
    assert type(translate_error(KeyError("name"), sqlite3)) is DatabaseError
