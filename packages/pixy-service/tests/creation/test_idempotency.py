"""One key, one purchase: what a second request with the same idempotency key is answered."""

import threading
from collections.abc import Callable

import pytest

from pixy_core import (
    GenerationError,
    GenerationUnknownError,
    GeneratorKeyError,
    GeneratorResponseError,
    GeneratorUnreachableError,
    IdempotencyKeyInUseError,
    IdempotencyKeyReusedError,
    Image,
    ImageDeletedError,
    ImageDetailCreate,
    ImagePendingError,
    ImageRequest,
    InvalidInputError,
    PromptRejectedError,
    RecordNotFoundError,
    User,
    Visibility,
)
from pixy_core.creations import CreationStatus
from pixy_service import ImageGenerator, OpenAIGenerator, PrivateImageService, Services
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.idempotency import compute_fingerprint
from provider import Provider

ASKED = ImageDetailCreate(prompt="a lighthouse")
PATIENCE = 30


def create(images: PrivateImageService, key: str | None = "key") -> Image:
    created = images.submit_image(ASKED, key).created.result(PATIENCE)
    assert isinstance(created.image, Image)
    return created.image


def test_a_second_request_is_answered_with_the_first_one_s_image(
    anns: PrivateImageService, provider: Provider
) -> None:
    first = create(anns)
    replay = anns.find_replay(ASKED, "key")
    assert replay is not None
    assert (replay.image, replay.is_replay) == (first, True)
    again = anns.submit_image(ASKED, "key").created.result(PATIENCE)
    assert (again.image, again.is_replay) == (first, True)
    assert provider.paid_requests == 1


def test_a_first_request_is_no_replay(anns: PrivateImageService) -> None:
    assert anns.find_replay(ASKED, "key") is None
    assert not anns.submit_image(ASKED, "key").created.result(PATIENCE).is_replay


def test_a_replay_shows_the_image_as_it_is_now(anns: PrivateImageService) -> None:
    guid = create(anns).guid
    anns.change_visibility(guid, Visibility.CLASS)
    replay = anns.find_replay(ASKED, "key")
    assert replay is not None
    assert replay.image.visibility == Visibility.CLASS


def test_without_a_key_each_request_is_its_own(
    anns: PrivateImageService, provider: Provider
) -> None:
    assert create(anns, None).guid != create(anns, None).guid
    assert provider.paid_requests == 2


def test_a_key_is_its_owner_s_own(
    services: Services, people: tuple[User, ...], anns: PrivateImageService, provider: Provider
) -> None:
    assert create(anns).guid != create(services.private_images(people[1])).guid
    assert provider.paid_requests == 2


def test_a_key_can_t_be_reused_for_another_request(
    anns: PrivateImageService, provider: Provider
) -> None:
    create(anns)
    for other in (
        ImageDetailCreate(prompt="a fox"),
        ImageDetailCreate(prompt="a lighthouse", visibility=Visibility.CLASS),
        ImageRequest(prompt="a lighthouse", size="1536x1024"),
        ImageRequest(prompt="a lighthouse", quality="low"),
    ):
        with pytest.raises(IdempotencyKeyReusedError):
            anns.find_replay(other, "key")
        with pytest.raises(IdempotencyKeyReusedError):
            anns.submit_image(other, "key").created.result(PATIENCE)
    assert provider.paid_requests == 1


def test_a_retry_is_refused_while_the_first_request_runs(
    anns: PrivateImageService, provider: Provider
) -> None:
    with provider.holding():
        first = anns.submit_image(ASKED, "key")
        provider.wait_for_requests(1)
        with pytest.raises(IdempotencyKeyInUseError):
            anns.find_replay(ASKED, "key")
        with pytest.raises(IdempotencyKeyInUseError):
            anns.submit_image(ASKED, "key").created.result(PATIENCE)
    first.created.result(PATIENCE)
    assert provider.paid_requests == 1


def test_of_many_requests_at_once_one_is_paid_for(
    open_creator: Callable[..., ImageCreator], people: tuple[User, ...], provider: Provider
) -> None:
    creator = open_creator()
    start = threading.Barrier(8)
    outcomes: list[object] = []

    def run() -> None:
        start.wait(PATIENCE)
        try:
            outcomes.append(creator.create(ASKED, people[0], "key").image.guid)
        except IdempotencyKeyInUseError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8
    assert len({outcome for outcome in outcomes if isinstance(outcome, str)}) == 1
    assert provider.paid_requests == 1


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [("moderation_blocked", PromptRejectedError), ("unauthorized", GeneratorKeyError)],
)
def test_a_retry_of_a_free_failure_runs_again(
    anns: PrivateImageService,
    provider: Provider,
    behaviour: str,
    failure: type[GenerationError],
) -> None:
    provider.behave(behaviour, "png")
    with pytest.raises(failure):
        create(anns)
    assert anns.find_replay(ASKED, "key") is None
    image = create(anns)
    assert provider.paid_requests == 2
    assert create(anns) == image


@pytest.mark.parametrize(
    ("behaviour", "failure", "replayed"),
    [
        ("junk_image", GeneratorResponseError, GeneratorResponseError),
        ("reset", GenerationUnknownError, GenerationUnknownError),
        ("server_error", GenerationUnknownError, GenerationUnknownError),
    ],
)
def test_a_retry_never_pays_a_second_time(
    anns: PrivateImageService,
    provider: Provider,
    behaviour: str,
    failure: type[GenerationError],
    replayed: type[GenerationError],
) -> None:
    provider.behave(behaviour, "png")
    with pytest.raises(failure) as first:
        create(anns)
    with pytest.raises(replayed) as found:
        anns.find_replay(ASKED, "key")
    with pytest.raises(replayed) as again:
        create(anns)
    assert (first.value.replayed, found.value.replayed, again.value.replayed) == (False, True, True)
    assert again.value.upstream_request_id == first.value.upstream_request_id
    assert provider.paid_requests == 1


def test_a_provider_that_took_too_long_is_an_unknown_outcome_from_then_on(
    open_creator: Callable[..., ImageCreator], people: tuple[User, ...], provider: Provider
) -> None:
    hasty = OpenAIGenerator("sk-a", base_url=provider.base_url, model="m", timeout=2)
    creator = open_creator(hasty)
    provider.behave("silent")
    codes = []
    for _ in range(2):
        with pytest.raises(GenerationUnknownError) as caught:
            creator.create(ASKED, people[0], "key")
        codes.append(caught.value.code)
    assert codes == ["generation_timeout", "outcome_unknown"]
    assert provider.paid_requests == 1


def test_a_provider_that_was_never_reached_may_be_tried_again(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    generator: ImageGenerator,
    provider: Provider,
) -> None:
    nowhere = OpenAIGenerator("sk-a", base_url="http://127.0.0.1:1/v1", model="m", timeout=30)
    with pytest.raises(GeneratorUnreachableError):
        open_creator(nowhere).create(ASKED, people[0], "key")
    assert not open_creator(generator).create(ASKED, people[0], "key").is_replay
    assert provider.paid_requests == 1


def test_an_image_that_was_deleted_is_neither_shown_nor_bought_again(
    anns: PrivateImageService, provider: Provider
) -> None:
    anns.delete_image(create(anns).guid)
    with pytest.raises(ImageDeletedError):
        anns.find_replay(ASKED, "key")
    with pytest.raises(ImageDeletedError):
        create(anns)
    assert provider.paid_requests == 1


def test_an_unknown_outcome_that_was_deleted_is_not_bought_again(
    anns: PrivateImageService, provider: Provider
) -> None:
    provider.behave("reset", "png")
    with pytest.raises(GenerationUnknownError):
        create(anns)
    (unknown,) = anns.list_creations(CreationStatus.UNKNOWN, 10).creations
    anns.delete_image(unknown.guid)
    with pytest.raises(RecordNotFoundError):
        anns.get_details(unknown.guid)
    with pytest.raises(ImageDeletedError):
        create(anns)
    assert provider.paid_requests == 1


def test_an_image_that_is_being_made_can_t_be_deleted(
    anns: PrivateImageService, provider: Provider
) -> None:
    with provider.holding():
        running = anns.submit_image(ASKED, "key")
        guid = running.asked.result(PATIENCE).guid
        with pytest.raises(ImagePendingError):
            anns.delete_image(guid)
        with pytest.raises(ImagePendingError):
            anns.change_visibility(guid, Visibility.PUBLIC)
    assert running.created.result(PATIENCE).image.guid == guid


@pytest.mark.parametrize("key", ["", " a", "a ", "a" * 256, "ä", "a\n", "a\0"])
def test_an_invalid_key_is_refused(anns: PrivateImageService, key: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        anns.submit_image(ASKED, key)
    assert caught.value.errors[0][0] == ("Idempotency-Key",)
    with pytest.raises(InvalidInputError):
        anns.find_replay(ASKED, key)


@pytest.mark.parametrize("key", ["a", "a" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a b"])
def test_a_key_may_be_any_printable_text(anns: PrivateImageService, key: str) -> None:
    assert create(anns, key) == create(anns, key)


def test_an_explicit_default_is_the_same_request() -> None:
    given = ImageDetailCreate(prompt="a lighthouse", visibility=Visibility.PRIVATE)
    assert compute_fingerprint(given) == compute_fingerprint(ASKED)
    # nor does a member that an older version did not have
    assert compute_fingerprint(ImageRequest(prompt="a lighthouse")) == compute_fingerprint(ASKED)


def test_a_request_has_the_fingerprint_that_the_version_before_gave_it() -> None:
    # keys are kept for a day, and so for longer than an update takes
    plain = "a36c30abdeb52ed1647ea324dddb6a54b01c373345ee984ffb36aef3dc8d5953"
    assert compute_fingerprint(ImageDetailCreate(prompt="a fox")) == plain
    assert compute_fingerprint(ImageRequest(prompt="a fox", background=None)) == plain
    request = ImageRequest(prompt="a fox", visibility="public", size="1536x1024", quality="high")
    assert compute_fingerprint(request) == (
        "df04c3d3b6ebdebc92f53f12efa090d05ca11b5d8ddf3459f0cb1f7bcf0670af"
    )


def test_requests_that_differ_have_different_fingerprints() -> None:
    asked = [
        ImageDetailCreate(prompt=prompt, visibility=visibility)
        for prompt in ("a lighthouse", "a lighthouse ", "A lighthouse", "a\nlighthouse", "\u00e4")
        for visibility in Visibility
    ]
    assert len({compute_fingerprint(request) for request in asked}) == len(asked)
