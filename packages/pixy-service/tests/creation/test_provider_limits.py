"""The limits of requests to the provider: two `Claims` share only the database, as processes do."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import (
    CreationStatus,
    GenerationBusyError,
    GenerationError,
    GeneratorOverloadedError,
    GeneratorQuotaError,
    ImageDetailCreate,
    User,
)
from pixy_data import Database
from pixy_service import ImageGenerator
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from provider import Provider
from provider_answers import RATE_LIMIT_SECONDS
from recovery_pieces import LosesDatabase, expire, run_twice, status_of, take

ASKED = ImageDetailCreate(prompt="a lighthouse")


def list_places(stores: ImageStores) -> list[int]:
    rows = stores.database.fetch_all("SELECT place FROM creations WHERE place IS NOT NULL", {})
    return sorted(row[0] for row in rows)


def test_processes_share_the_places(stores: ImageStores, people: tuple[User, ...]) -> None:
    one, other = Claims(stores, 2), Claims(stores, 2)
    first, _ = take(one, people[0], None), take(other, people[0], None)
    for claims in (one, other):
        with pytest.raises(GenerationBusyError) as caught:
            take(claims, people[0], "key")
        assert caught.value.retry_after == GenerationBusyError.retry_after
    one.withdraw(first.guid)
    take(other, people[0], "key")


def test_a_request_without_a_place_leaves_nothing(
    stores: ImageStores,
    people: tuple[User, ...],
    generator: ImageGenerator,
    provider: Provider,
    tmp_path: Path,
) -> None:
    before = take(Claims(stores, 1), people[0], None)
    claims = Claims(stores, 1)
    creator = ImageCreator(stores, claims, ImageAdopter(stores), generator)
    with pytest.raises(GenerationBusyError):
        creator.create(ASKED, people[0], "key")
    assert provider.paid_requests == 0
    rows = stores.database.fetch_all("SELECT guid FROM creations", {})
    assert rows == [(before.guid,)]
    assert [path for path in tmp_path.rglob("*.part*") if path.is_file()] == []
    assert not claims._held
    stores.creations.delete_creation(before.guid)
    assert creator.create(ASKED, people[0], "key").image.guid


def test_a_place_is_free_when_its_image_is_there_or_has_failed(
    stores: ImageStores, people: tuple[User, ...], generator: ImageGenerator, provider: Provider
) -> None:
    creator = ImageCreator(stores, Claims(stores, 1), ImageAdopter(stores), generator)
    for behaviour in ("png", "moderation_blocked", "reset", "png"):
        provider.behave(behaviour)
        try:
            creator.create(ASKED, people[0], f"key of {uuid.uuid4()}")
        except GenerationError:
            assert behaviour != "png"
        assert list_places(stores) == []


def test_an_upload_and_a_repetition_need_no_place(
    stores: ImageStores, people: tuple[User, ...], generator: ImageGenerator
) -> None:
    claims = Claims(stores, 1)
    creator = ImageCreator(stores, claims, ImageAdopter(stores), generator)
    made = creator.create(ASKED, people[0], "key")
    take(Claims(stores, 1), people[0], "another")
    assert creator.create(ASKED, people[0], "key").image.guid == made.image.guid
    assert not claims.take_upload(str(uuid.uuid4()), ASKED, people[0], "a" * 64).is_replay
    assert list_places(stores) == [1]


def test_the_place_of_a_dead_process_is_free_once_its_claim_is_judged(
    stores: ImageStores, people: tuple[User, ...], recovery: Recovery
) -> None:
    for is_asked in (True, False):
        dead, living = Claims(stores, 1), Claims(stores, 1)
        lost = take(dead, people[0], None)
        if is_asked:
            dead.mark_asked(lost.guid)
        with pytest.raises(GenerationBusyError):
            take(living, people[0], None)
        expire(stores.database)
        run_twice(recovery)
        assert status_of(stores, lost) == (CreationStatus.UNKNOWN if is_asked else None)
        living.withdraw(take(living, people[0], None).guid)


def test_a_claim_that_the_database_lost_comes_back_without_a_place(
    stores: ImageStores, people: tuple[User, ...]
) -> None:
    claims = Claims(stores, 1)
    lost = take(claims, people[0])
    claims.mark_asked(lost.guid)
    stores.database.execute("DELETE FROM creations", {})
    take(Claims(stores, 1), people[0], "meanwhile")
    claims.extend()
    assert status_of(stores, lost) == CreationStatus.PENDING
    assert list_places(stores) == [1]


def fail(creator: ImageCreator, owner: User, key: str | None = None) -> GenerationError:
    with pytest.raises(GenerationError) as caught:
        creator.create(ASKED, owner, key)
    return caught.value


def test_after_a_rate_limit_no_process_asks_until_the_provider_s_time_has_passed(
    stores: ImageStores,
    people: tuple[User, ...],
    open_creator: Callable[..., ImageCreator],
    provider: Provider,
) -> None:
    provider.behave("rate_limit_exceeded", "png")
    told = fail(open_creator(), people[0])
    assert isinstance(told, GeneratorOverloadedError)
    assert told.retry_after == RATE_LIMIT_SECONDS
    other = Claims(stores)
    with pytest.raises(GenerationBusyError) as caught:
        take(other, people[0], "key")
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= RATE_LIMIT_SECONDS
    assert provider.paid_requests == 1
    assert not other.take_upload(str(uuid.uuid4()), ASKED, people[0], "a" * 64).is_replay
    stores.database.execute("UPDATE provider_pauses SET ends_at = '2001-01-01 00:00:00'", {})
    take(other, people[0], "key")


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        ("insufficient_quota", GeneratorQuotaError),
        ("too_many_requests", GeneratorOverloadedError),
        ("overloaded", GeneratorOverloadedError),
    ],
)
def test_without_a_delay_of_a_rate_limit_there_is_no_pause(
    people: tuple[User, ...],
    open_creator: Callable[..., ImageCreator],
    provider: Provider,
    behaviour: str,
    failure: type[Exception],
) -> None:
    provider.behave(behaviour, "png")
    assert isinstance(fail(open_creator(), people[0]), failure)
    assert open_creator().create(ASKED, people[0]).image.guid
    assert provider.paid_requests == 2


def test_a_request_that_failed_before_a_pause_is_kept_while_its_key_is_refused(
    stores: ImageStores,
    people: tuple[User, ...],
    open_creator: Callable[..., ImageCreator],
    provider: Provider,
) -> None:
    provider.behave("rate_limit_exceeded", "png")
    fail(open_creator(), people[0], "key")
    assert isinstance(fail(open_creator(), people[0], "key"), GenerationBusyError)
    (failed,) = stores.creations.list_creations("ann", CreationStatus.FAILED, 9)
    stores.database.execute("UPDATE provider_pauses SET ends_at = '2001-01-01 00:00:00'", {})
    again = open_creator().create(ASKED, people[0], "key")
    assert not again.is_replay
    assert again.image.guid != failed.guid


def test_a_rate_limit_is_told_although_the_pause_can_t_be_noted(
    database: Database,
    people: tuple[User, ...],
    open_creator: Callable[..., ImageCreator],
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal = GeneratorOverloadedError(retry_after=7)
    refusal.pause = 7
    told = fail(open_creator(LosesDatabase(database, refusal)), people[0])
    assert told is refusal
    assert "that pause can't be noted" in caplog.text
