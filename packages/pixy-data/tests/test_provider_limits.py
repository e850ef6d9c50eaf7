"""The limits of requests to the provider: places that all processes share, and its pause."""

import threading
import uuid
from datetime import timedelta

import pytest

from pixy_core import (
    CreationProblem,
    CreationStatus,
    DatabaseBusyError,
    GenerationBusyError,
    ImageDetailCreate,
    User,
)
from pixy_data import (
    CreationRepository,
    Database,
    ProviderLimitRepository,
    open_database,
    run_transaction,
)
from pixy_data.provider_limits import MAX_PAUSE

PROBLEM = CreationProblem(code="outcome_unknown", detail="-", retryable=False, billed="unknown")
ASKED = ImageDetailCreate(prompt="a lighthouse")
PATIENCE = 60


@pytest.fixture
def creations(database: Database) -> CreationRepository:
    return CreationRepository(database)


@pytest.fixture
def limits(database: Database) -> ProviderLimitRepository:
    return ProviderLimitRepository(database)


def claim(database: Database, owner: User, places: int, key: str | None = None) -> str:
    """Insert a creation that has a place, as a claim does."""
    guid = str(uuid.uuid4())

    def work() -> str:
        CreationRepository(database).insert_creation(guid, ASKED, owner, "f" * 64, key)
        if not ProviderLimitRepository(database).take_place(guid, places):
            raise GenerationBusyError
        return guid

    return run_transaction(database, work)


def list_places(database: Database) -> list[int]:
    rows = database.fetch_all("SELECT place FROM creations WHERE place IS NOT NULL", {})
    return sorted(row[0] for row in rows)


def test_each_creation_has_a_place_of_its_own_until_none_is_free(
    database: Database, anna: User
) -> None:
    for _ in range(3):
        claim(database, anna, 3)
    assert list_places(database) == [1, 2, 3]
    with pytest.raises(GenerationBusyError):
        claim(database, anna, 3, "key")
    assert list_places(database) == [1, 2, 3]
    assert CreationRepository(database).find_keyed_creation("anna", "key") is None


def test_a_creation_without_a_place_takes_none_away(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    for _ in range(2):
        creations.insert_creation(str(uuid.uuid4()), ASKED, anna, "f" * 64, None)
    claim(database, anna, 1)


@pytest.mark.parametrize("key", ["key", None])
@pytest.mark.parametrize("end", ["ready", "failed", "unknown", "deleted", "expired", "given up"])
def test_the_place_of_a_creation_that_has_ended_is_free(
    database: Database, creations: CreationRepository, anna: User, end: str, key: str | None
) -> None:
    guid = claim(database, anna, 1, key)
    if end == "given up":
        creations.mark_asked(guid)
    database.execute("UPDATE creations SET expires_at = '2001-01-01 00:00:00.000000'", {})
    (lease,) = creations.list_leases()
    assert {
        "ready": lambda: creations.finish_creation(guid),
        "failed": lambda: creations.fail_creation(guid, CreationStatus.FAILED, PROBLEM),
        "unknown": lambda: creations.fail_creation(guid, CreationStatus.UNKNOWN, PROBLEM),
        "deleted": lambda: creations.delete_creation(guid) or True,
        "expired": lambda: creations.delete_expired(lease),
        "given up": lambda: creations.give_up(lease, PROBLEM),
    }[end]()
    assert list_places(database) == []
    claim(database, anna, 1)


def test_a_creation_keeps_its_place_while_its_lease_is_extended(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    guid = claim(database, anna, 1)
    creations.mark_asked(guid)
    creations.extend_lease(guid)
    creations.extend_leases([guid])
    assert list_places(database) == [1]


def test_with_fewer_places_the_higher_ones_run_out(
    database: Database, creations: CreationRepository, anna: User
) -> None:
    for _ in range(4):
        claim(database, anna, 4)
    by_place = dict(database.fetch_all("SELECT place, guid FROM creations", {}))
    for place in (4, 3):
        creations.finish_creation(by_place[place])
        with pytest.raises(GenerationBusyError):
            claim(database, anna, 2)
    creations.finish_creation(by_place[1])
    claim(database, anna, 2)
    assert list_places(database) == [1, 2]


PLACES, WORKERS, ROUNDS = 3, 10, 8


def test_of_many_threads_no_more_have_a_place_at_once_than_there_are(
    database: Database, database_url: str, creations: CreationRepository, anna: User
) -> None:
    """Each thread has its own pool, like a process: it shares only the database with the others."""
    seen: list[int] = []
    outcomes: list[str] = []
    barrier = threading.Barrier(WORKERS)

    def work() -> None:
        own = open_database(database_url, pool_size=2)
        barrier.wait(PATIENCE)
        for _ in range(ROUNDS):
            try:
                guid = claim(own, anna, PLACES)
            except (GenerationBusyError, DatabaseBusyError) as error:
                outcomes.append(type(error).__name__)
                continue
            outcomes.append("taken")
            seen.append(len(list_places(own)))
            CreationRepository(own).finish_creation(guid)
        own.close()

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(outcomes) == WORKERS * ROUNDS
    assert max(seen) <= PLACES
    assert outcomes.count("taken") >= PLACES
    assert database.fetch_all("SELECT guid FROM creations", {}) == []
    for _ in range(PLACES):
        claim(database, anna, PLACES)


def test_a_place_that_another_transaction_took_first_is_replaced_by_a_free_one(
    mysql_server: object, database: Database, database_url: str, anna: User
) -> None:
    """Two transactions look at the same moment, which those of SQLite never do."""
    other = open_database(database_url, pool_size=2)
    taken: list[str] = []

    def look_and_lose() -> str:
        guid = str(uuid.uuid4())
        # the first read of the transaction is what it sees of other rows
        assert list_places(database) == []
        if not taken:
            taken.append(claim(other, anna, 2))
        CreationRepository(database).insert_creation(guid, ASKED, anna, "f" * 64, "key")
        assert ProviderLimitRepository(database).take_place(guid, 2)
        return guid

    guid = run_transaction(database, look_and_lose)
    assert {guid, *taken} == {
        row[0] for row in database.fetch_all("SELECT guid FROM creations", {})
    }
    assert list_places(database) == [1, 2]
    other.close()


def test_when_every_place_was_taken_meanwhile_none_is_free(
    mysql_server: object, database: Database, database_url: str, anna: User
) -> None:
    other = open_database(database_url, pool_size=2)

    def look_and_lose() -> None:
        guid = str(uuid.uuid4())
        assert list_places(database) == []
        claim(other, anna, 1)
        CreationRepository(database).insert_creation(guid, ASKED, anna, "f" * 64, "key")
        assert not ProviderLimitRepository(database).take_place(guid, 1)
        raise GenerationBusyError

    with pytest.raises(GenerationBusyError):
        run_transaction(database, look_and_lose)
    assert list_places(database) == [1]
    other.close()


def test_at_first_the_provider_takes_requests(limits: ProviderLimitRepository) -> None:
    assert limits.find_pause() is None


def test_a_pause_is_seen_by_other_processes_and_is_never_shortened(
    limits: ProviderLimitRepository, database_url: str
) -> None:
    limits.extend_pause(timedelta(seconds=200))
    other = open_database(database_url, pool_size=1)
    seen = ProviderLimitRepository(other)
    first = seen.find_pause()
    assert first is not None
    assert timedelta(seconds=100) < first <= timedelta(seconds=200)
    seen.extend_pause(timedelta(seconds=1))
    kept = limits.find_pause()
    assert kept is not None
    assert kept > timedelta(seconds=100)
    limits.extend_pause(timedelta(seconds=250))
    longer = seen.find_pause()
    assert longer is not None
    assert longer > timedelta(seconds=200)
    other.close()


def test_a_pause_has_a_longest_length(limits: ProviderLimitRepository) -> None:
    limits.extend_pause(timedelta(hours=1))
    remaining = limits.find_pause()
    assert remaining is not None
    assert timedelta(minutes=4) < remaining <= MAX_PAUSE


def test_a_pause_ends(database: Database, limits: ProviderLimitRepository) -> None:
    limits.extend_pause(timedelta(seconds=200))
    database.execute("UPDATE provider_pauses SET ends_at = :now", {"now": "2026-01-01 00:00:00"})
    assert limits.find_pause() is None


def test_a_pause_that_a_wrong_clock_made_too_long_does_not_count_and_is_replaced(
    database: Database, limits: ProviderLimitRepository
) -> None:
    database.execute("UPDATE provider_pauses SET ends_at = '2099-01-01 00:00:00.000000'", {})
    assert limits.find_pause() is None
    limits.extend_pause(timedelta(seconds=200))
    remaining = limits.find_pause()
    assert remaining is not None
    assert remaining <= timedelta(seconds=200)
