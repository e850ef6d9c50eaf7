"""Backups while images are made, get their rows and are deleted."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

import pytest

from backup_places import Places, read_images, write_entry
from pixy_core import Image
from pixy_data import BackupFolder, Database, ImageFolders, ImageRepository, Journal, open_database
from pixy_service import PrivateImageService, Services, StoreBackup

pytestmark = pytest.mark.usefixtures("embedded_database")

Make = Callable[..., Image]
Event = Callable[[], object]


class FolderWithEvents(BackupFolder):
    """A backup folder in which something happens once the journal, or the database, is copied."""

    def __init__(self, directory: Path, after_journal: Event, after_database: Event) -> None:
        super().__init__(directory)
        self._after_journal: list[Event] = [after_journal]
        self._after_database = after_database

    def database(self, rows: str) -> Path:
        while self._after_journal:
            self._after_journal.pop()()
        return super().database(rows)

    def open_list(self, rows: str) -> AbstractContextManager[TextIO]:
        self._after_database()
        return super().open_list(rows)


def do_nothing() -> None:
    """Let the backup go on."""


@pytest.fixture
def back_up_with(places: Places, database: Database) -> Callable[..., None]:
    """Back up, with events."""

    def run(after_journal: Event = do_nothing, after_database: Event = do_nothing) -> None:
        store = StoreBackup(
            database,
            ImageFolders(places.data / "images", places.data / "journal"),
            FolderWithEvents(places.folder, after_journal, after_database),
        )
        assert list(store.run()) == []

    return run


@pytest.mark.parametrize("moment", ["after_journal", "after_database"])
def test_an_image_that_gets_its_row_during_the_backup_is_restored(
    places: Places,
    back_up_with: Callable[..., None],
    make_image: Make,
    services: Services,
    moment: str,
) -> None:
    image, kept = make_image(), make_image()
    write_entry(places.data, image)
    database = open_database(places.url)
    ImageRepository(database).delete_image(image.guid, "ann")
    back_up_with(**{moment: services._recovery.run_once})
    assert ImageRepository(database).find_image(image.guid) is not None
    assert not Journal(places.data / "journal").has(image.guid)
    database.close()
    assert places.restore() == []
    assert places.list_restored() == {image.guid, kept.guid}


def test_an_image_that_is_made_during_the_backup_does_no_harm(
    places: Places, back_up_with: Callable[..., None], make_image: Make
) -> None:
    made = [make_image()]
    back_up_with(
        after_journal=lambda: made.append(make_image()),
        after_database=lambda: made.append(make_image()),
    )
    assert places.restore() == []
    assert places.list_restored() == {image.guid for image in made[:2]}


def test_an_image_that_is_deleted_after_its_entry_was_copied_does_not_come_back(
    places: Places,
    back_up_with: Callable[..., None],
    anns: PrivateImageService,
    make_image: Make,
) -> None:
    kept, image = make_image(), make_image()
    write_entry(places.data, image)
    back_up_with(after_journal=lambda: anns.delete_image(image.guid))
    assert set(read_images(places.folder)) == {kept.filename}
    assert places.restore() == []
    assert places.list_restored() == {kept.guid}


def test_an_image_that_is_deleted_after_its_row_was_copied_is_not_restored(
    places: Places, anns: PrivateImageService, make_image: Make
) -> None:
    first, *others = sorted([make_image() for _ in range(3)], key=lambda image: image.guid)
    places.place_of(first).unlink()
    with places.open_backup() as store:
        findings = store.run()
        # the rows are copied, and the first file could not be
        assert next(findings).guid == first.guid
        anns.delete_image(others[1].guid)
        assert list(findings) == []
    assert json.loads((places.folder / "backup.json").read_text())["images"] == 2
    (lost,) = places.restore()
    assert (lost.kind, lost.guid) == ("missing", first.guid)
    assert places.list_restored() == {first.guid, others[0].guid}
