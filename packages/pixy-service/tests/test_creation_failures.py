import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pixy_core import (
    ConstraintViolationError,
    DBConnectionError,
    GeneratorResponseError,
    Image,
    ImageDetail,
    ImageDetailCreate,
    ImageNotStoredError,
    PixyProxyException,
    User,
)
from pixy_data import Database, ImageRepository
from pixy_service import GeneratedImage, Services
from pixy_service.creation import ImageCreator
from pixy_service.generators.sketch import SketchGenerator
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
        self, image: ImageDetail, owner: User, created_at: datetime | None = None
    ) -> Image:
        inserted = super().insert_image(image, owner, created_at)
        if self._is_first:
            self._is_first = False
            self._other.execute("COMMIT", {})
            raise DBConnectionError
        return inserted


class LosesConnection(ImageRepository):
    """Loses the connection of the first insert before it is committed."""

    is_first = True

    def insert_image(
        self, image: ImageDetail, owner: User, created_at: datetime | None = None
    ) -> Image:
        inserted = super().insert_image(image, owner, created_at)
        if self.is_first:
            self.is_first = False
            raise DBConnectionError
        return inserted


class Broken:
    """Has a mistake in it."""

    name = "sketch"

    def generate(self, prompt: str, *, user: str, **options: object) -> GeneratedImage:
        raise ZeroDivisionError(prompt, user)

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


def test_an_image_that_can_t_be_stored_is_named_in_the_log_and_has_no_row(
    open_creator: Callable[..., ImageCreator],
    services: Services,
    people: tuple[User, ...],
    tmp_path: Path,
    criticals: Criticals,
) -> None:
    # a file where the folder would be
    (tmp_path / "images" / ".staging").write_bytes(b"")
    with pytest.raises(ImageNotStoredError):
        open_creator().create(ASKED, people[0])
    assert len(criticals()) == 1
    assert services.private_images(people[0]).get_all_images() == []


def test_the_provider_is_not_asked_for_somebody_who_is_gone(
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
    assert services.private_images(people[0]).get_all_images() == [created]
    assert provider.paid_requests == 1


def test_a_connection_lost_before_the_commit_loses_no_image(
    open_creator: Callable[..., ImageCreator],
    services: Services,
    database: Database,
    people: tuple[User, ...],
) -> None:
    created = open_creator(images=LosesConnection(database)).create(ASKED, people[0]).image
    assert services.private_images(people[0]).get_all_images() == [created]


class BreaksJournal(SketchGenerator):
    """Puts a file where the journal was while it draws."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def generate(self, prompt: str, **options: Any) -> GeneratedImage:
        self._folder.rmdir()
        self._folder.write_bytes(b"")
        return super().generate(prompt, **options)


def test_bytes_without_an_entry_in_the_journal_leave_no_file(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    tmp_path: Path,
    criticals: Criticals,
) -> None:
    creator = open_creator(BreaksJournal(tmp_path / "journal"))
    with pytest.raises(ImageNotStoredError):
        creator.create(ASKED, people[0])
    assert list((tmp_path / "images").rglob("*.part")) == []
    assert len(criticals()) == 1


def test_a_mistake_in_the_program_is_logged_and_has_a_name_for_the_caller(
    open_creator: Callable[..., ImageCreator],
    people: tuple[User, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(PixyProxyException) as caught:
        open_creator(generator=Broken()).create(ASKED, people[0])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]
