"""The contract of the failed sign-ins' rows, the same on every database."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from pixy_core import ConstraintViolationError
from pixy_data import Database, SignInFailure, SignInFailureRepository

CLIENT, OTHER = "a" * 64, "b" * 64
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def failures(database: Database) -> SignInFailureRepository:
    return SignInFailureRepository(database)


def test_the_latest_failures_of_a_client_come_first(failures: SignInFailureRepository) -> None:
    inserted = [SignInFailure(n, NOON + timedelta(microseconds=n)) for n in (1, 2, 3)]
    for failure in inserted:
        failures.insert_failure(CLIENT, failure)
    failures.insert_failure(OTHER, SignInFailure(9, NOON))
    assert failures.list_failures(CLIENT, 2) == [inserted[2], inserted[1]]
    assert failures.list_failures(CLIENT, 5) == inserted[::-1]
    assert failures.list_failures("c" * 64, 5) == []


def test_of_two_processes_that_count_the_same_failure_one_is_told(
    failures: SignInFailureRepository,
) -> None:
    barrier, outcomes = threading.Barrier(2), list[str]()

    def insert() -> None:
        barrier.wait()
        try:
            failures.insert_failure(CLIENT, SignInFailure(1, NOON))
            outcomes.append("counted")
        except ConstraintViolationError:
            outcomes.append("taken")

    threads = [threading.Thread(target=insert) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["counted", "taken"]


def test_old_failures_are_deleted_and_later_ones_kept(failures: SignInFailureRepository) -> None:
    for number in (1, 2, 3):
        failures.insert_failure(CLIENT, SignInFailure(number, NOON + timedelta(minutes=number)))
    failures.delete_failures(NOON + timedelta(minutes=2))
    assert [failure.number for failure in failures.list_failures(CLIENT, 5)] == [3, 2]
