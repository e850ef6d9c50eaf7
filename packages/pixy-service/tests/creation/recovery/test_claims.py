"""What a process was about to make: forgotten, or declared unknown, and never done twice."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pixy_core import (
    CreationStatus,
    DatabaseBusyError,
    DBConnectionError,
    GeneratorResponseError,
    IdempotencyKeyInUseError,
    PromptRejectedError,
    User,
)
from pixy_data import CreationRepository, Database, FileStore, Journal
from pixy_service import GeneratedImage
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.generators.interface import ImageOrder, OnPartial, ignore_partial
from pixy_service.generators.sketch import SketchGenerator
from pixy_service.stores import ImageStores
from provider import Provider
from recovery_pieces import (
    ASKED,
    PATIENCE,
    LosesDatabase,
    criticals,
    expire,
    run_twice,
    status_of,
    take,
)


def test_a_claim_whose_process_died_before_it_asked_is_removed(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.end(creation.guid)
    run_twice(recovery)
    assert status_of(stores, creation) == CreationStatus.PENDING
    expire(stores.database)
    run_twice(recovery)
    assert status_of(stores, creation) is None
    assert take(claims, people[0]).guid != creation.guid


class RunsOutOfMemory(CreationRepository):
    """Commits that the provider is asked, and has no memory to say so."""

    def mark_asked(self, guid: str) -> bool:
        super().mark_asked(guid)
        raise MemoryError


def test_a_claim_that_failed_just_before_the_provider_was_asked_is_removed(
    database: Database, stores: ImageStores, people: tuple[User, ...]
) -> None:
    claims = Claims(replace(stores, creations=RunsOutOfMemory(database)))
    creation = take(claims, people[0])
    with pytest.raises(MemoryError):
        claims.mark_asked(creation.guid)
    assert status_of(stores, creation) is None
    assert take(claims, people[0]).guid != creation.guid


def test_a_claim_whose_process_died_while_the_provider_worked_is_unknown(
    claims: Claims,
    recovery: Recovery,
    stores: ImageStores,
    people: tuple[User, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    claims.end(creation.guid)
    expire(stores.database)
    for _ in range(4):
        recovery.run_once()
    found = stores.creations.find_creation(creation.guid, "ann")
    assert found is not None
    assert found.problem is not None
    assert (found.status, found.problem.billed) == (CreationStatus.UNKNOWN, "unknown")
    assert [creation.guid in message for message in criticals(caplog)] == [True]


def test_all_claims_of_many_dead_processes_are_given_up_together(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creations = [take(claims, people[0], f"image {number}") for number in range(250)]
    for creation in creations:
        claims.mark_asked(creation.guid)
        claims.end(creation.guid)
    expire(stores.database)
    run_twice(recovery)
    assert {status_of(stores, each) for each in creations} == {CreationStatus.UNKNOWN}


def test_a_claim_of_this_process_keeps_its_lease(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    for _ in range(3):
        expire(stores.database)
        recovery.run_once()
    assert status_of(stores, creation) == CreationStatus.PENDING
    assert not any(found.is_expired for found in stores.creations.list_leases())


class SilentJournal(Journal):
    """A journal on a disk that does not answer until it is told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.answering = threading.Event()

    def list_guids(self) -> list[str]:
        self.answering.wait()
        return super().list_guids()


def test_leases_are_extended_while_the_disk_does_not_answer(
    claims: Claims, stores: ImageStores, people: tuple[User, ...], tmp_path: Path
) -> None:
    creation = take(claims, people[0])
    journal = SilentJournal(tmp_path / "journal")
    silent = replace(stores, content=FileStore(tmp_path / "images", journal))
    recovery = Recovery(silent, claims, ImageAdopter(silent), pause=0.01)
    recovery.start()
    try:
        # at the start each thread extends leases once
        for _ in range(4):
            expire(stores.database)
            deadline = time.monotonic() + PATIENCE
            while any(each.is_expired for each in stores.creations.list_leases()):
                assert time.monotonic() < deadline, "the lease is not extended"
                time.sleep(0.01)
    finally:
        journal.answering.set()
        recovery.close()
    assert status_of(stores, creation) == CreationStatus.PENDING


class ExpiresMeanwhile(Claims):
    """Takes longer than a lease over what it does between extending leases and looking at them."""

    def settle(self) -> None:
        super().settle()
        expire(self._stores.database)


def test_a_claim_of_this_process_is_not_given_up_when_a_pass_outlasts_its_lease(
    stores: ImageStores, people: tuple[User, ...]
) -> None:
    claims = ExpiresMeanwhile(stores)
    asked, fresh = take(claims, people[0], "asked"), take(claims, people[0], "fresh")
    claims.mark_asked(asked.guid)
    recovery = Recovery(stores, claims, ImageAdopter(stores), patience=0)
    for _ in range(3):
        recovery.run_once()
    assert status_of(stores, asked) == status_of(stores, fresh) == CreationStatus.PENDING
    assert not any(found.is_expired for found in stores.creations.list_leases())


def test_after_an_outage_running_processes_extend_their_leases_first(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.end(creation.guid)
    expire(stores.database)
    recovery.run_once()
    stores.database.initialised = False
    with pytest.raises(DBConnectionError):
        recovery.run_once()
    stores.database.initialised = True
    recovery.run_once()
    assert status_of(stores, creation) == CreationStatus.PENDING
    recovery.run_once()
    assert status_of(stores, creation) is None


def test_a_claim_that_was_given_up_too_early_still_becomes_its_image(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    people: tuple[User, ...],
    provider: Provider,
) -> None:
    created: list[object] = []
    other = Recovery(stores, Claims(stores), ImageAdopter(stores), patience=0)
    with provider.holding():
        making = threading.Thread(
            target=lambda: created.append(open_creator().create(ASKED, people[0], "key").image)
        )
        making.start()
        provider.wait_for_requests(1)
        expire(stores.database)
        run_twice(other)
        (unknown,) = stores.creations.list_creations("ann", CreationStatus.UNKNOWN, 9)
    making.join(PATIENCE)
    assert created == [stores.images.find_image(unknown.guid)]
    assert status_of(stores, unknown) == CreationStatus.READY


def test_a_claim_that_was_removed_too_early_asks_no_provider(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.end(creation.guid)
    expire(stores.database)
    run_twice(recovery)
    # the process was only asleep, and another has run the request meanwhile
    take(claims, people[0])
    with pytest.raises(Exception, match="busy"):
        claims.mark_asked(creation.guid)


def test_an_outcome_is_written_once_the_database_is_back(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    recovery: Recovery,
    people: tuple[User, ...],
) -> None:
    creator = open_creator(LosesDatabase(stores.database, PromptRejectedError()))
    with pytest.raises(PromptRejectedError):
        creator.create(ASKED, people[0])
    stores.database.initialised = True
    expire(stores.database)
    run_twice(recovery)
    (failed,) = stores.creations.list_creations("ann", CreationStatus.FAILED, 9)
    assert failed.problem is not None
    assert failed.problem.code == "prompt_rejected"


def test_a_failed_creation_is_deleted_after_its_retention(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    recovery: Recovery,
    people: tuple[User, ...],
    provider: Provider,
) -> None:
    provider.behave("moderation_blocked")
    with pytest.raises(PromptRejectedError):
        open_creator().create(ASKED, people[0])
    run_twice(recovery)
    assert len(stores.creations.list_creations("ann", CreationStatus.FAILED, 9)) == 1
    expire(stores.database)
    recovery.run_once()
    assert stores.creations.list_creations("ann", CreationStatus.FAILED, 9) == []


def test_a_jump_of_the_clock_does_not_end_an_extended_lease(
    claims: Claims, stores: ImageStores, recovery: Recovery, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    other = Recovery(stores, Claims(stores), ImageAdopter(stores), patience=0)
    for second in range(4):
        # what its process sets, as the clock of a database that is an hour ahead sees it
        expires = f"2001-01-01 00:00:0{second}.000000"
        stores.database.execute("UPDATE creations SET expires_at = :expires", {"expires": expires})
        other.run_once()
    assert status_of(stores, creation) == CreationStatus.PENDING


def test_a_lease_ends_only_after_it_was_watched_for_its_length(
    claims: Claims, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    expire(stores.database)
    patient = Recovery(stores, Claims(stores), ImageAdopter(stores))
    run_twice(patient)
    assert status_of(stores, creation) == CreationStatus.PENDING


def lose_rows(stores: ImageStores) -> None:
    """Forget what was asked for, as a failover to a database that lagged behind does."""
    stores.database.execute("DELETE FROM creations", {})


def test_a_claim_that_the_database_lost_before_the_provider_was_asked_asks_no_provider(
    claims: Claims, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    lose_rows(stores)
    claims.extend()
    with pytest.raises(DatabaseBusyError):
        claims.mark_asked(creation.guid)
    assert status_of(stores, creation) is None


def test_a_claim_that_the_database_lost_while_the_provider_works_is_restored(
    claims: Claims, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    lose_rows(stores)
    claims.extend()
    assert status_of(stores, creation) == CreationStatus.PENDING
    with pytest.raises(IdempotencyKeyInUseError):
        take(claims, people[0])
    assert not stores.creations.mark_asked(creation.guid)


def test_of_many_claims_that_are_extended_together_the_lost_one_is_restored(
    claims: Claims, stores: ImageStores, people: tuple[User, ...]
) -> None:
    held = [take(claims, people[0], f"key {number}") for number in range(210)]
    for creation in held:
        claims.mark_asked(creation.guid)
    stores.creations.delete_creation(held[7].guid)
    expire(stores.database)
    claims.extend()
    leases = stores.creations.list_leases()
    assert {lease.guid for lease in leases if not lease.is_expired} == {each.guid for each in held}
    assert status_of(stores, held[7]) == CreationStatus.PENDING


def test_a_claim_whose_key_was_used_again_is_not_restored_and_is_logged_once(
    claims: Claims,
    stores: ImageStores,
    people: tuple[User, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    lost = take(claims, people[0])
    claims.mark_asked(lost.guid)
    lose_rows(stores)
    other = take(Claims(stores), people[0])
    for _ in range(2):
        claims.extend()
    assert status_of(stores, lost) is None
    assert status_of(stores, other) == CreationStatus.PENDING
    assert [lost.guid in message for message in criticals(caplog)] == [True]


def test_an_outcome_is_written_for_a_claim_that_the_database_lost(
    claims: Claims, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    lose_rows(stores)
    claims.fail(creation.guid, GeneratorResponseError())
    assert status_of(stores, creation) == CreationStatus.FAILED
    with pytest.raises(GeneratorResponseError):
        take(claims, people[0])


class LosesRows(SketchGenerator):
    """Has the database lose its claims while it draws."""

    def __init__(self, stores: ImageStores) -> None:
        super().__init__()
        self._stores = stores

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        lose_rows(self._stores)
        return super().generate(order, on_partial)


@pytest.mark.parametrize("key", ["key", None])
def test_an_image_whose_claim_the_database_lost_is_kept_and_its_key_replays_it(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    people: tuple[User, ...],
    key: str | None,
) -> None:
    creator = open_creator(LosesRows(stores))
    created = creator.create(ASKED, people[0], key)
    assert stores.images.find_image(created.image.guid) == created.image
    if key is not None:
        assert creator.create(ASKED, people[0], key) == created._replace(is_replay=True)
    assert len(stores.images.list_visible_images(people[0], 9)) == 1
