"""What a process was about to make: forgotten, or declared unknown, and never done twice."""

import threading
from collections.abc import Callable

import pytest

from pixy_core import (
    CreationStatus,
    DBConnectionError,
    PromptRejectedError,
    User,
)
from pixy_service.adoption import ImageAdopter
from pixy_service.claims import Claims
from pixy_service.creation import ImageCreator
from pixy_service.recovery import Recovery
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
    recovery.run_once()
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


def test_a_claim_of_this_process_keeps_its_lease(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    for _ in range(3):
        expire(stores.database)
        recovery.run_once()
    assert status_of(stores, creation) == CreationStatus.PENDING
    assert stores.claims.list_expired() == []


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
    run_twice(Recovery(stores, claims, ImageAdopter(stores)))
    assert status_of(stores, asked) == status_of(stores, fresh) == CreationStatus.PENDING
    assert stores.claims.list_expired() == []


def test_after_an_outage_the_living_extend_their_leases_first(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.end(creation.guid)
    recovery.run_once()
    stores.database.initialised = False
    with pytest.raises(DBConnectionError):
        recovery.run_once()
    stores.database.initialised = True
    expire(stores.database)
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
    other = Recovery(stores, Claims(stores), ImageAdopter(stores))
    run_twice(other)
    with provider.holding():
        making = threading.Thread(
            target=lambda: created.append(open_creator().create(ASKED, people[0], "key").image)
        )
        making.start()
        provider.wait_for_requests(1)
        expire(stores.database)
        other.run_once()
        (unknown,) = stores.creations.list_creations("ann", CreationStatus.UNKNOWN, 9)
    making.join(PATIENCE)
    assert created == [stores.images.find_image(unknown.guid)]
    assert status_of(stores, unknown) == CreationStatus.READY


def test_a_claim_that_was_removed_too_early_asks_no_provider(
    claims: Claims, recovery: Recovery, stores: ImageStores, people: tuple[User, ...]
) -> None:
    creation = take(claims, people[0])
    claims.end(creation.guid)
    run_twice(recovery)
    expire(stores.database)
    recovery.run_once()
    # the process was only asleep, and another has run the request meanwhile
    take(claims, people[0])
    with pytest.raises(Exception, match="busy"):
        claims.mark_asked(creation.guid)


def test_what_became_of_a_claim_is_told_once_the_database_is_back(
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


def test_what_failed_is_forgotten_after_its_time(
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
