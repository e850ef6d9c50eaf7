"""The life of a claim: its lease, its end, and that of two changes at once only one happens."""

import threading
import uuid
from datetime import timedelta

import pytest

from pixy_core import CreationProblem, CreationStatus, ImageDetailCreate, User
from pixy_data import LEASE, CreationRepository, Database, Lease, run_transaction
from pixy_data.conversions import time_from_value
from pixy_data.creations import RETENTION

PROBLEM = CreationProblem(code="outcome_unknown", detail="-", retryable=False, billed="unknown")


@pytest.fixture
def creations(database: Database) -> CreationRepository:
    return CreationRepository(database)


def insert(creations: CreationRepository, owner: User, key: str | None = None) -> str:
    asked = ImageDetailCreate(prompt="a lighthouse")
    return creations.insert_creation(str(uuid.uuid4()), asked, owner, "f" * 64, key).guid


def expire(database: Database) -> None:
    database.execute("UPDATE creations SET expires_at = '2001-01-01 00:00:00.000000'", {})


def remaining(database: Database) -> timedelta:
    row = database.fetch_one("SELECT expires_at FROM creations", {})
    assert row is not None
    return time_from_value(row[0]) - database.now()


def find(creations: CreationRepository, guid: str) -> Lease:
    """Return a creation as a recovery sees it."""
    (found,) = [creation for creation in creations.list_leases() if creation.guid == guid]
    return found


def status_of(creations: CreationRepository, guid: str) -> CreationStatus | None:
    found = creations.find_creation(guid, "anna")
    return None if found is None else found.status


def test_a_claim_has_a_lease(database: Database, creations: CreationRepository, anna: User) -> None:
    insert(creations, anna)
    assert LEASE / 2 < remaining(database) <= LEASE


def test_a_lease_is_extended(database: Database, creations: CreationRepository, anna: User) -> None:
    guid = insert(creations, anna)
    expire(database)
    seen = find(creations, guid)
    assert seen.is_expired
    assert creations.extend_lease(guid)
    assert LEASE / 2 < remaining(database) <= LEASE
    assert not find(creations, guid).is_expired
    assert find(creations, guid).expires_at != seen.expires_at


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 401])
def test_many_leases_are_extended_together(
    database: Database, creations: CreationRepository, anna: User, count: int
) -> None:
    def insert_all() -> list[str]:
        return [insert(creations, anna) for _ in range(count)]

    held, other = run_transaction(database, insert_all), insert(creations, anna)
    expire(database)
    assert creations.extend_leases(held) == set()
    leases = creations.list_leases()
    assert {lease.guid for lease in leases if not lease.is_expired} == set(held)
    assert {lease.guid for lease in leases if lease.is_expired} == {other}


def test_of_many_leases_those_without_a_creation_are_told(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    pending, ended, gone = (insert(creations, anna) for _ in range(3))
    creations.fail_creation(ended, CreationStatus.UNKNOWN, PROBLEM)
    creations.delete_creation(gone)
    expire(database)
    assert creations.extend_leases([pending, ended, gone]) == {gone}
    assert [lease.guid for lease in creations.list_leases() if lease.is_expired] == [ended]


def test_what_is_not_pending_has_no_lease_to_extend(
    creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna)
    creations.fail_creation(guid, CreationStatus.UNKNOWN, PROBLEM)
    assert not creations.extend_lease(guid)
    assert not creations.extend_lease(str(uuid.uuid4()))


def test_the_provider_is_asked_once_for_a_claim(creations: CreationRepository, anna: User) -> None:
    guid = insert(creations, anna)
    assert creations.mark_asked(guid)
    assert not creations.mark_asked(guid)


def test_an_expired_claim_is_listed_with_whether_the_provider_was_asked(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    asked, unasked = insert(creations, anna), insert(creations, anna)
    creations.mark_asked(asked)
    assert {found.is_expired for found in creations.list_leases()} == {False}
    expire(database)
    assert {found[:3] for found in creations.list_leases() if found.is_expired} == {
        (asked, CreationStatus.PENDING, True),
        (unasked, CreationStatus.PENDING, False),
    }


def test_only_a_claim_whose_lease_ran_out_is_given_up(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna)
    creations.mark_asked(guid)
    assert not creations.give_up(find(creations, guid), PROBLEM)
    expire(database)
    seen = find(creations, guid)
    assert creations.give_up(seen, PROBLEM)
    assert not creations.give_up(seen, PROBLEM)
    assert status_of(creations, guid) == CreationStatus.UNKNOWN
    assert RETENTION / 2 < remaining(database) <= RETENTION


def test_a_claim_that_was_extended_since_it_was_seen_is_neither_given_up_nor_deleted(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    asked, unasked = insert(creations, anna), insert(creations, anna)
    creations.mark_asked(asked)
    expire(database)
    seen = [find(creations, guid) for guid in (asked, unasked)]
    # by a clock that is behind, so that both leases are over still
    database.execute("UPDATE creations SET expires_at = '2001-01-01 00:00:30.000000'", {})
    assert not creations.give_up(seen[0], PROBLEM)
    assert not creations.delete_expired(seen[1])


def test_a_claim_for_which_nobody_was_asked_is_not_given_up_but_deleted(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna, "key")
    expire(database)
    assert not creations.give_up(find(creations, guid), PROBLEM)
    assert creations.delete_expired(find(creations, guid))
    assert status_of(creations, guid) is None
    insert(creations, anna, "key")


def test_a_claim_for_which_the_provider_was_asked_is_never_deleted(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna)
    creations.mark_asked(guid)
    expire(database)
    assert not creations.delete_expired(find(creations, guid))


def test_a_claim_that_was_deleted_can_t_be_marked_any_more(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna)
    expire(database)
    creations.delete_expired(find(creations, guid))
    assert not creations.mark_asked(guid)


def test_what_failed_is_deleted_after_its_time_and_not_before(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna)
    creations.fail_creation(guid, CreationStatus.FAILED, PROBLEM)
    assert creations.list_leases() == []
    expire(database)
    assert creations.delete_expired(find(creations, guid))


def test_a_finished_claim_without_a_key_is_forgotten(
    creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna)
    assert creations.finish_creation(guid)
    assert not creations.finish_creation(guid)
    assert status_of(creations, guid) is None


def test_a_finished_claim_with_a_key_is_remembered(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna, "key")
    creations.fail_creation(guid, CreationStatus.UNKNOWN, PROBLEM)
    assert creations.finish_creation(guid)
    assert creations.finish_creation(guid)
    found = creations.find_creation(guid, "anna")
    assert found is not None
    assert (found.status, found.problem) == (CreationStatus.READY, None)
    assert RETENTION / 2 < remaining(database) <= RETENTION


def test_what_is_ready_can_t_fail_any_more(creations: CreationRepository, anna: User) -> None:
    guid = insert(creations, anna, "key")
    creations.finish_creation(guid)
    assert not creations.fail_creation(guid, CreationStatus.FAILED, PROBLEM)
    assert status_of(creations, guid) == CreationStatus.READY


def test_a_verdict_that_was_too_early_is_corrected(
    creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna)
    creations.fail_creation(guid, CreationStatus.UNKNOWN, PROBLEM)
    assert creations.fail_creation(guid, CreationStatus.FAILED, PROBLEM)
    assert status_of(creations, guid) == CreationStatus.FAILED


def test_pending_is_what_is_being_made(creations: CreationRepository, anna: User) -> None:
    guid = insert(creations, anna)
    assert creations.is_pending(guid)
    creations.fail_creation(guid, CreationStatus.FAILED, PROBLEM)
    assert not creations.is_pending(guid)
    assert not creations.is_pending(str(uuid.uuid4()))


def test_of_many_that_mark_one_claim_at_once_one_may_ask(
    creations: CreationRepository, anna: User
) -> None:
    guid = insert(creations, anna)
    marked: list[bool] = []
    threads = [
        threading.Thread(target=lambda: marked.append(creations.mark_asked(guid))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(marked) == [False] * 7 + [True]
