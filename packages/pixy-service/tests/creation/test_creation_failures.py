import errno
import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from pixy_core import (
    ConstraintViolationError,
    CreationStatus,
    DBConnectionError,
    DetailedImage,
    GenerationUnknownError,
    GeneratorResponseError,
    IdempotencyKeyReusedError,
    Image,
    ImageDetail,
    ImageDetailCreate,
    ImageNotStoredError,
    ImageSource,
    PixyProxyException,
    Purchase,
    StorageUnavailableError,
    User,
)
from pixy_data import Database, ImageRepository
from pixy_service import GeneratedImage, Services
from pixy_service.creation.creator import ImageCreator
from pixy_service.generators.interface import ImageOrder, OnPartial, ignore_partial
from pixy_service.generators.sketch import SketchGenerator
from pixy_service.pixels.inspection import inspect_image
from pixy_service.stores import ImageStores
from provider import Provider

ASKED = ImageDetailCreate(prompt="a lighthouse")
Criticals = Callable[[], list[str]]


@pytest.fixture
def criticals(caplog: pytest.LogCaptureFixture) -> Criticals:
    return lambda: [
        record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL
    ]


class LosesAcknowledgement(ImageRepository):
    """Commits the first insert, and loses the connection before anyone hears of it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._other = database
        self._is_first = True

    def insert_image(
        self,
        image: ImageDetail,
        owner: User,
        created_at: datetime | None = None,
        purchase: Purchase | None = None,
        sources: Sequence[ImageSource] = (),
    ) -> DetailedImage:
        inserted = super().insert_image(image, owner, created_at, purchase, sources)
        if self._is_first:
            self._is_first = False
            self._other.execute("COMMIT", {})
            raise DBConnectionError
        return inserted


class LosesConnection(ImageRepository):
    """Loses the connection of the first insert before it is committed."""

    is_first = True

    def insert_image(
        self,
        image: ImageDetail,
        owner: User,
        created_at: datetime | None = None,
        purchase: Purchase | None = None,
        sources: Sequence[ImageSource] = (),
    ) -> DetailedImage:
        inserted = super().insert_image(image, owner, created_at, purchase, sources)
        if self.is_first:
            self.is_first = False
            raise DBConnectionError
        return inserted


class Broken:
    """Has a mistake in it, or lacks something."""

    name = "sketch"
    models = ("sketch-1",)

    def __init__(self, error: Exception) -> None:
        self._error = error

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        del order, on_partial
        raise self._error

    def close(self) -> None:
        """Do nothing."""


def test_a_refusal_of_the_provider_leaves_nothing(
    services: Services,
    provider: Provider,
    make_image: Callable[..., Image],
    list_files: Callable[[], list[Path]],
    people: tuple[User, ...],
) -> None:
    provider.behave("junk_image")
    with pytest.raises(GeneratorResponseError):
        make_image()
    assert list_files() == []
    assert services.private_images(people[0]).get_all_images() == []


class DataFolder(NamedTuple):
    """The data folder, and one of its folders that is to break."""

    root: Path
    broken: Path

    def list_parts(self) -> list[Path]:
        """Return every unfinished file."""
        return list(self.root.rglob("*.part"))


@pytest.fixture(params=["images/.staging", "journal"])
def data(tmp_path: Path, request: pytest.FixtureRequest) -> DataFolder:
    return DataFolder(tmp_path, tmp_path / request.param)


def test_the_provider_is_not_asked_if_no_file_can_be_reserved(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    people: tuple[User, ...],
    provider: Provider,
    data: DataFolder,
) -> None:
    # a file where the folder would be
    data.broken.write_bytes(b"")
    with pytest.raises(StorageUnavailableError) as caught:
        open_creator().create(ASKED, people[0], "key")
    assert not isinstance(caught.value, ImageNotStoredError)
    assert provider.paid_requests == 0
    assert stores.creations.find_keyed_creation("ann", "key") is None
    assert data.list_parts() == []


def test_a_refused_or_replayed_request_leaves_no_file(
    open_creator: Callable[..., ImageCreator], people: tuple[User, ...], tmp_path: Path
) -> None:
    creator = open_creator()
    first = creator.create(ASKED, people[0], "key")
    assert creator.create(ASKED, people[0], "key") == first._replace(is_replay=True)
    with pytest.raises(IdempotencyKeyReusedError):
        creator.create(ImageDetailCreate(prompt="another"), people[0], "key")
    assert list(tmp_path.rglob("*.part")) == []


def test_the_provider_is_not_asked_for_a_removed_user(
    open_creator: Callable[..., ImageCreator], provider: Provider
) -> None:
    gone = User(username="gone", password="-", class_key="red")
    for key in (None, "key"):
        with pytest.raises(ConstraintViolationError):
            open_creator().create(ASKED, gone, key)
    assert provider.paid_requests == 0


def test_a_commit_whose_acknowledgement_is_lost_is_a_success(
    open_creator: Callable[..., ImageCreator],
    services: Services,
    database: Database,
    people: tuple[User, ...],
    provider: Provider,
) -> None:
    creator = open_creator(images=LosesAcknowledgement(database))
    created = creator.create(ASKED, people[0]).image
    (image,) = services.private_images(people[0]).get_all_images()
    assert image.guid == created.guid
    assert provider.paid_requests == 1


def test_a_connection_lost_before_the_commit_loses_no_image(
    open_creator: Callable[..., ImageCreator],
    services: Services,
    database: Database,
    people: tuple[User, ...],
) -> None:
    created = open_creator(images=LosesConnection(database)).create(ASKED, people[0]).image
    (image,) = services.private_images(people[0]).get_all_images()
    assert image.guid == created.guid


class DrawsWhatIsNoImage(SketchGenerator):
    """Draws something of a media type that can't be stored."""

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        return replace(super().generate(order, on_partial), media_type="image/gif")


def test_an_image_is_kept_whatever_goes_wrong_after_it_was_made(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    with pytest.raises(ImageNotStoredError):
        open_creator(DrawsWhatIsNoImage()).create(ASKED, people[0], "key")
    keyed = stores.creations.find_keyed_creation("ann", "key")
    assert keyed is not None
    assert keyed[0].status == CreationStatus.FAILED
    assert (tmp_path / "quarantine" / f"{keyed[0].guid}.answer").is_file()


class BreaksFolder(SketchGenerator):
    """Puts a file where a folder was while it draws; and takes it away if it is told to."""

    def __init__(self, folder: Path, *, seconds: float | None = None) -> None:
        super().__init__()
        self._folder = folder
        self._seconds = seconds

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        shutil.rmtree(self._folder)
        self._folder.write_bytes(b"")
        if self._seconds is not None:
            threading.Timer(self._seconds, self._folder.unlink).start()
        return super().generate(order, on_partial)


def test_an_image_that_can_t_be_stored_in_time_is_named_in_the_log_and_in_quarantine(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    people: tuple[User, ...],
    data: DataFolder,
    criticals: Criticals,
) -> None:
    creator = open_creator(BreaksFolder(data.broken))
    with pytest.raises(ImageNotStoredError):
        creator.create(ASKED, people[0], "key")
    assert data.list_parts() == []
    keyed = stores.creations.find_keyed_creation("ann", "key")
    assert keyed is not None
    assert keyed[0].problem is not None
    assert (keyed[0].status, keyed[0].problem.billed) == ("failed", "yes")
    assert [keyed[0].guid in message for message in criticals()] == [True, True]
    kept = data.root / "quarantine" / f"{keyed[0].guid}.answer"
    assert inspect_image(kept.read_bytes()).media_type == "image/png"
    data.broken.unlink()
    with pytest.raises(ImageNotStoredError):
        creator.create(ASKED, people[0], "key")


def test_an_image_is_stored_once_its_disk_works_again(
    open_creator: Callable[..., ImageCreator],
    services: Services,
    people: tuple[User, ...],
    data: DataFolder,
    criticals: Criticals,
) -> None:
    creator = open_creator(BreaksFolder(data.broken, seconds=0.3))
    created = creator.create(ASKED, people[0]).image
    (image,) = services.private_images(people[0]).get_all_images()
    assert image.guid == created.guid
    assert data.list_parts() == []
    assert criticals() == []


def test_a_bug_is_logged_and_raised_as_a_pixyproxy_exception(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(PixyProxyException) as caught:
        open_creator(generator=Broken(ZeroDivisionError())).create(ASKED, people[0])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.EMFILE, "too many open files")])
def test_a_shortage_of_this_machine_during_a_request_is_an_unknown_outcome(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    people: tuple[User, ...],
    error: Exception,
) -> None:
    with pytest.raises(GenerationUnknownError):
        open_creator(generator=Broken(error)).create(ASKED, people[0], "key")
    keyed = stores.creations.find_keyed_creation("ann", "key")
    assert keyed is not None
    assert keyed[0].status == CreationStatus.UNKNOWN
