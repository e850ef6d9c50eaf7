"""Retries of API clients: an attempt that got no answer has bought an image, which they get."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pixy_core import (
    Creation,
    CreationStatus,
    GenerationUnknownError,
    GeneratorResponseError,
    IdempotencyKeyInUseError,
    Image,
    ImageDeletedError,
    ImageDetailCreate,
    PromptRejectedError,
    RecordNotFoundError,
    RequestAbandonedError,
    User,
)
from pixy_data import Database
from pixy_service import Attempt, PrivateImageService, Services
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from provider import Provider
from recovery_pieces import LosesDatabase, run_twice

ASKED = ImageDetailCreate(prompt="a lighthouse")
PATIENCE = 30
KEY = "k" * 10


def first(**options: object) -> Attempt:
    return Attempt(KEY, **({"is_retry": False} | options))  # type: ignore[arg-type]


def retry(**options: object) -> Attempt:
    return first(**({"is_retry": True} | options))


def make(images: PrivateImageService, attempt: Attempt, key: str | None = None) -> Image:
    created = images.submit_image(ASKED, key, attempt).created.result(PATIENCE)
    assert isinstance(created.image, Image)
    return created.image


def find(images: PrivateImageService, attempt: Attempt) -> Image | Creation | None:
    replay = images.find_replay(ASKED, None, attempt)
    return None if replay is None else replay.image


def test_a_retry_gets_what_was_not_delivered(anns: PrivateImageService, provider: Provider) -> None:
    image, attempt = make(anns, first()), retry()
    assert find(anns, attempt) == image
    assert attempt.guid == image.guid
    assert make(anns, retry()) == image
    assert provider.paid_requests == 1


def test_a_retry_does_not_get_what_was_delivered(
    anns: PrivateImageService, provider: Provider
) -> None:
    attempt = first()
    image = make(anns, attempt)
    anns.note_delivery(attempt)
    assert find(anns, retry()) is None
    assert make(anns, retry()) != image
    assert provider.paid_requests == 2


def test_without_a_count_every_request_is_its_own(
    anns: PrivateImageService, provider: Provider
) -> None:
    make(anns, first())
    assert find(anns, first()) is None
    make(anns, first())
    assert provider.paid_requests == 2


@pytest.mark.parametrize(
    ("asked", "attempt"),
    [
        (ASKED, Attempt("o" * 10, is_retry=True)),
        (ASKED, Attempt(KEY, is_retry=True, index=0, count=2)),
        (ImageDetailCreate(prompt="a fox"), Attempt(KEY, is_retry=True)),
    ],
)
def test_another_key_or_request_finds_nothing(
    anns: PrivateImageService, asked: ImageDetailCreate, attempt: Attempt
) -> None:
    make(anns, first())
    assert anns.find_replay(asked, None, attempt) is None


def test_another_user_finds_nothing(
    services: Services, people: tuple[User, ...], anns: PrivateImageService
) -> None:
    make(anns, first())
    assert find(services.private_images(people[1]), retry()) is None


def test_a_native_request_is_not_found(anns: PrivateImageService) -> None:
    anns.create_image(ASKED)
    assert find(anns, retry()) is None


def test_an_image_of_ten_minutes_ago_is_not_found(
    anns: PrivateImageService, database: Database
) -> None:
    make(anns, first())
    old = "UPDATE creations SET created_at = '2001-01-01 00:00:00.000000'"
    database.execute(old, {})
    assert find(anns, retry()) is None


def test_images_of_one_request_are_found_by_their_index(anns: PrivateImageService) -> None:
    made = [make(anns, first(index=index, count=2)) for index in range(2)]
    assert [find(anns, retry(index=index, count=2)) for index in range(2)] == made


def test_retries_of_parallel_requests_get_different_images(anns: PrivateImageService) -> None:
    made = {make(anns, first()).guid for _ in range(3)}
    attempts = [retry() for _ in range(3)]
    for attempt in attempts:
        find(anns, attempt)
    assert {attempt.guid for attempt in attempts} == made


def test_what_a_client_has_left_is_taken_first(anns: PrivateImageService) -> None:
    attempts = [first() for _ in range(3)]
    made = [make(anns, attempt) for attempt in attempts]
    anns.release(attempts[1])
    assert find(anns, retry()) == made[1]


def test_a_retry_of_a_retry_gets_the_same_image(anns: PrivateImageService) -> None:
    image, second = make(anns, first()), retry()
    find(anns, second)
    assert find(anns, retry()) == image
    # which belongs to another retry by now
    anns.release(second)
    third = retry()
    assert find(anns, third) == image
    anns.note_delivery(third)
    assert find(anns, retry()) is None


def test_a_retry_waits_for_what_is_being_made(
    anns: PrivateImageService, provider: Provider
) -> None:
    attempt = retry()
    with provider.holding():
        running = anns.submit_image(ASKED, None, first())
        provider.wait_for_requests(1)
        found = find(anns, attempt)
        assert isinstance(found, Creation)
        assert found.status == CreationStatus.PENDING
        assert anns.follow(attempt) is None
    image = running.created.result(PATIENCE).image
    followed = anns.follow(attempt)
    assert followed is not None
    assert (followed.image, followed.is_replay) == (image, True)
    assert provider.paid_requests == 1


def test_a_retry_with_an_idempotency_key_waits_too(
    anns: PrivateImageService, provider: Provider
) -> None:
    attempt = retry()
    with provider.holding():
        running = anns.submit_image(ASKED, "key", first())
        provider.wait_for_requests(1)
        with pytest.raises(IdempotencyKeyInUseError):
            anns.find_replay(ASKED, "key", first())
        assert anns.find_replay(ASKED, "key", attempt) is not None
        assert find(anns, retry()) is None
    image = running.created.result(PATIENCE).image
    followed = anns.follow(attempt)
    assert followed is not None
    assert followed.image == image
    assert make(anns, first(), "key") == image
    assert provider.paid_requests == 1


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [("reset", GenerationUnknownError), ("junk_image", GeneratorResponseError)],
)
def test_a_retry_gets_a_failure_that_was_or_may_have_been_paid_for(
    anns: PrivateImageService,
    provider: Provider,
    behaviour: str,
    failure: type[GeneratorResponseError],
) -> None:
    provider.behave(behaviour, "png")
    with pytest.raises(failure):
        make(anns, first())
    attempt = retry()
    for _ in range(2):
        with pytest.raises(failure) as caught:
            find(anns, attempt)
        assert caught.value.replayed
    with pytest.raises(failure):
        make(anns, retry())
    assert provider.paid_requests == 1
    # the answer is out, and a parallel request's retry is not to get it
    anns.note_delivery(attempt)
    assert find(anns, retry()) is None


def test_a_retry_of_a_free_failure_runs_again(
    anns: PrivateImageService, provider: Provider
) -> None:
    provider.behave("moderation_blocked", "png")
    with pytest.raises(PromptRejectedError):
        make(anns, first())
    assert find(anns, retry()) is None
    image = make(anns, retry())
    assert find(anns, retry()) == image
    (failed,) = anns.list_creations(CreationStatus.FAILED, 10).creations
    assert failed.prompt == ASKED.prompt


def test_a_deleted_image_is_neither_found_nor_bought_again(
    anns: PrivateImageService, provider: Provider
) -> None:
    anns.delete_image(make(anns, first()).guid)
    with pytest.raises(ImageDeletedError):
        find(anns, retry())
    with pytest.raises(ImageDeletedError):
        make(anns, retry())
    assert provider.paid_requests == 1


def test_a_client_that_leaves_early_buys_nothing(
    anns: PrivateImageService, provider: Provider, database: Database
) -> None:
    with pytest.raises(RequestAbandonedError):
        make(anns, first(has_left=lambda: True))
    assert provider.paid_requests == 0
    assert database.fetch_all("SELECT guid FROM creations", {}) == []


@pytest.fixture
def give_up(database: Database, recovery: Recovery) -> Callable[[], None]:
    """Return a function that lets a recovery judge all creations of dead processes."""

    def run() -> None:
        expire = "UPDATE creations SET expires_at = '2001-01-01 00:00:00.000000'"
        database.execute(f"{expire} WHERE status = 'pending'", {})
        run_twice(recovery)

    return run


def test_a_dead_process_s_creation_is_unknown_to_its_retry(
    anns: PrivateImageService,
    people: tuple[User, ...],
    stores: ImageStores,
    give_up: Callable[[], None],
    provider: Provider,
) -> None:
    dead, guid = Claims(stores), str(uuid.uuid4())
    dead.take(guid, ASKED, people[0], None, first())
    dead.mark_asked(guid)
    attempt = retry()
    assert isinstance(find(anns, attempt), Creation)
    give_up()
    with pytest.raises(GenerationUnknownError):
        anns.follow(attempt)
    with pytest.raises(GenerationUnknownError):
        make(anns, retry())
    assert provider.paid_requests == 0


def test_a_retry_makes_the_image_that_a_dead_process_had_not_asked_for(
    anns: PrivateImageService,
    people: tuple[User, ...],
    stores: ImageStores,
    give_up: Callable[[], None],
    provider: Provider,
) -> None:
    Claims(stores).take(str(uuid.uuid4()), ASKED, people[0], None, first())
    attempt = retry()
    assert isinstance(find(anns, attempt), Creation)
    give_up()
    with pytest.raises(RecordNotFoundError):
        anns.follow(attempt)
    make(anns, attempt)
    assert provider.paid_requests == 1


def test_an_image_from_the_journal_is_found_although_its_claim_was_lost(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    database: Database,
    recovery: Recovery,
    anns: PrivateImageService,
) -> None:
    creator = open_creator(LosesDatabase(database))
    made = creator.create(ASKED, people[0], attempt=first()).image
    database.initialised = True
    database.execute("DELETE FROM creations", {})
    recovery.run_once()
    found = find(anns, retry())
    assert isinstance(found, Image)
    assert found.guid == made.guid


def test_of_many_retries_at_once_one_buys(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    anns: PrivateImageService,
    provider: Provider,
) -> None:
    creator, start, attempts = open_creator(), threading.Barrier(8), [retry() for _ in range(8)]

    def run(attempt: Attempt) -> None:
        start.wait(PATIENCE)
        creator.create(ASKED, people[0], attempt=attempt)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(run, attempts))
    followed = [anns.follow(attempt) for attempt in attempts]
    assert len({each.image.guid for each in followed if each is not None}) == 1
    assert None not in followed
    assert provider.paid_requests == 1
