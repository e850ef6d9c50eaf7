"""Which calls an observer gets for images and failures."""

import time
from pathlib import Path

import pytest

from pixy_core import (
    GenerationError,
    GenerationUnknownError,
    ImageNotStoredError,
    ImageRequest,
    PromptRejectedError,
    User,
)
from pixy_core.images import Quality
from pixy_data import Database, FileStore
from pixy_service import (
    GenerationObserver,
    ImageGenerator,
    MadeImage,
    SketchGenerator,
    open_services,
)
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.stores import ImageStores
from provider import Provider
from provider_answers import USAGE
from recovery_pieces import ASKED, LosesDatabase, expire, run_twice, take


class Notes(GenerationObserver):
    """Records its calls."""

    def __init__(self) -> None:
        self.running: list[int] = []
        self.images: list[MadeImage] = []
        self.failures: list[tuple[str, GenerationError]] = []
        self.lost = 0

    def note_running(self, count: int) -> None:
        self.running.append(count)

    def note_image(self, image: MadeImage) -> None:
        self.images.append(image)

    def note_failure(self, model: str, error: GenerationError) -> None:
        self.failures.append((model, error))

    def note_lost(self) -> None:
        self.lost += 1


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def creator(stores: ImageStores, generator: ImageGenerator, notes: Notes) -> ImageCreator:
    return ImageCreator(
        stores, Claims(stores), ImageAdopter(stores), generator, timeout=1, observer=notes
    )


def test_an_image_is_told_with_its_purchase_and_the_time_that_the_provider_took(
    creator: ImageCreator, notes: Notes, people: tuple[User, ...], provider: Provider
) -> None:
    provider.latency = lambda: 0.3
    started = time.monotonic()
    creator.create(ImageRequest(prompt="a lighthouse", quality=Quality.HIGH), people[0])
    whole = time.monotonic() - started
    (image,) = notes.images
    assert (image.model, image.quality) == ("gpt-image-2.6-flare", "high")
    assert image.purchase is not None
    assert image.purchase.usage == USAGE
    assert image.provider_seconds >= 0.3
    assert 0 < image.overhead <= whole - image.provider_seconds
    assert notes.failures == []


def test_an_image_without_a_provider_is_told_with_the_time_of_the_generator(
    stores: ImageStores, notes: Notes, people: tuple[User, ...]
) -> None:
    generator = SketchGenerator()
    creator = ImageCreator(stores, Claims(stores), ImageAdopter(stores), generator, observer=notes)
    creator.create(ASKED, people[0])
    (image,) = notes.images
    assert image.purchase is None
    assert image.model == generator.models[0]
    assert image.provider_seconds > 0


def test_an_image_that_waits_for_the_database_is_told_as_made(
    stores: ImageStores, database: Database, notes: Notes, people: tuple[User, ...]
) -> None:
    losing = LosesDatabase(database)
    creator = ImageCreator(stores, Claims(stores), ImageAdopter(stores), losing, observer=notes)
    creator.create(ASKED, people[0])
    assert [image.model for image in notes.images] == ["sketch-1"]
    assert notes.failures == []


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [("moderation_blocked", PromptRejectedError), ("reset", GenerationUnknownError)],
)
def test_a_failure_is_told_with_its_model(
    creator: ImageCreator,
    notes: Notes,
    people: tuple[User, ...],
    provider: Provider,
    *,
    behaviour: str,
    failure: type[GenerationError],
) -> None:
    provider.behave(behaviour)
    with pytest.raises(failure):
        creator.create(ASKED, people[0])
    ((model, error),) = notes.failures
    assert model == "gpt-image-2.6-flare"
    assert isinstance(error, failure)
    assert notes.images == []


class FillsUp(FileStore):
    """Has room for what is reserved, and for nothing that is written."""

    def describe(self, *_: object) -> None:  # type: ignore[override]
        raise MemoryError


def test_an_image_that_could_not_be_stored_is_told_as_paid_for(
    stores: ImageStores,
    generator: ImageGenerator,
    notes: Notes,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    full = ImageStores.over(stores.database, FillsUp(tmp_path / "images"))
    creator = ImageCreator(full, Claims(full), ImageAdopter(full), generator, observer=notes)
    with pytest.raises(ImageNotStoredError):
        creator.create(ASKED, people[0])
    ((_, error),) = notes.failures
    assert (error.code, error.billed) == ("storage_unavailable", "yes")
    assert notes.images == []


def test_an_image_of_a_dead_process_is_told_once_by_whoever_gives_it_up(
    stores: ImageStores, database: Database, people: tuple[User, ...]
) -> None:
    notes = Notes(), Notes()
    claims, *recoveries = (
        Claims(stores),
        *(
            Recovery(stores, Claims(stores), ImageAdopter(stores), patience=0, observer=one)
            for one in notes
        ),
    )
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    claims.end(creation.guid)
    expire(database)
    for recovery in recoveries:
        run_twice(recovery)
    assert [one.lost for one in notes] == [1, 0]


def test_the_number_of_running_generations_is_told_whenever_it_changes(
    database_url: str,
    generator: ImageGenerator,
    notes: Notes,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    with open_services(
        database_url=database_url, data_dir=tmp_path, generator=generator, observer=notes
    ) as services:
        services.private_images(people[0]).create_image(ASKED)
    assert notes.running == [1, 0]
    assert len(notes.images) == 1


class Fails(GenerationObserver):
    """Raises an error in each method."""

    def note_running(self, count: int) -> None:
        raise OSError(f"running {count}")

    def note_image(self, image: MadeImage) -> None:
        raise ValueError(image.model)

    def note_failure(self, model: str, error: GenerationError) -> None:
        raise MemoryError(model) from error

    def note_lost(self) -> None:
        raise RuntimeError("lost")


def errors(caplog: pytest.LogCaptureFixture) -> list[type[BaseException] | None]:
    """Return what the observer has raised, by the log."""
    told = [record for record in caplog.records if record.message == "an observer failed"]
    return [record.exc_info[0] for record in told if record.exc_info]


def test_an_observer_that_fails_costs_no_image_and_no_slot(
    database_url: str,
    generator: ImageGenerator,
    people: tuple[User, ...],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with open_services(
        database_url=database_url,
        data_dir=tmp_path,
        generator=generator,
        generation_concurrency=1,
        observer=Fails(),
    ) as services:
        images = services.private_images(people[0])
        made = [images.create_image(ASKED).guid for _ in range(2)]
        assert [images.get_image_by_guid(guid).guid for guid in made] == made
    assert errors(caplog) == [OSError, ValueError, OSError] * 2


def test_a_failure_stays_what_it_was_if_the_observer_fails(
    stores: ImageStores,
    generator: ImageGenerator,
    people: tuple[User, ...],
    provider: Provider,
    caplog: pytest.LogCaptureFixture,
) -> None:
    creator = ImageCreator(
        stores, Claims(stores), ImageAdopter(stores), generator, observer=Fails()
    )
    provider.behave("moderation_blocked")
    with pytest.raises(PromptRejectedError):
        creator.create(ASKED, people[0])
    assert errors(caplog) == [MemoryError]


class NotesDrops(FileStore):
    """Keeps whose reservations were dropped."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.dropped: list[str] = []

    def drop_reservation(self, guid: str, seconds: float) -> None:
        self.dropped.append(guid)
        super().drop_reservation(guid, seconds)


def test_a_reservation_of_a_dead_process_is_dropped_if_the_observer_fails(
    database: Database, people: tuple[User, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = NotesDrops(tmp_path / "images")
    stores = ImageStores.over(database, content)
    claims = Claims(stores)
    recovery = Recovery(stores, Claims(stores), ImageAdopter(stores), patience=0, observer=Fails())
    creation = take(claims, people[0])
    claims.mark_asked(creation.guid)
    claims.end(creation.guid)
    expire(database)
    run_twice(recovery)
    assert errors(caplog) == [RuntimeError]
    assert content.dropped == [creation.guid]
