"""Entries of the journal that can't become rows: kept, said once, and holding up no other."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pixy_core import (
    Creation,
    CreationStatus,
    StoreMismatchError,
    User,
)
from pixy_data import (
    Database,
    FileStore,
    FolderMark,
    StoreMarker,
)
from pixy_service import GeneratedImage
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.creator import ImageCreator
from pixy_service.creation.recovery import Recovery
from pixy_service.generators.interface import ImageOrder, OnPartial, ignore_partial
from pixy_service.generators.sketch import SketchGenerator
from pixy_service.stores import ImageStores
from provider_answers import PNG
from recovery_pieces import ASKED, criticals, expire, run_twice, status_of, take


def test_an_entry_whose_bytes_are_damaged_is_kept_and_logged_once(
    waiting: Creation, recovery: Recovery, stores: ImageStores, caplog: pytest.LogCaptureFixture
) -> None:
    stores.content.locate(f"{waiting.guid}.png").write_bytes(PNG[:-1] + b"x")
    for _ in range(3):
        recovery.run_once()
    assert stores.content.list_kept() == [waiting.guid]
    assert stores.images.find_image(waiting.guid) is None
    assert [waiting.guid in message for message in criticals(caplog)] == [True]
    failed = stores.creations.find_creation(waiting.guid, "ann")
    assert failed is not None
    assert failed.problem is not None
    assert (failed.status, failed.problem.billed) == (CreationStatus.FAILED, "yes")


def test_an_image_whose_entry_was_mended_is_recovered_at_the_next_start(
    waiting: Creation, recovery: Recovery, stores: ImageStores
) -> None:
    file = stores.content.locate(f"{waiting.guid}.png")
    file.write_bytes(b"")
    recovery.run_once()
    file.write_bytes(PNG)
    Recovery(stores, Claims(stores), ImageAdopter(stores)).run_once()
    assert status_of(stores, waiting) == CreationStatus.READY
    assert stores.images.find_image(waiting.guid) is not None


def test_an_image_whose_size_may_not_be_asked_for_any_more_is_recovered(
    waiting: Creation, recovery: Recovery, stores: ImageStores, tmp_path: Path
) -> None:
    stored = '{"prompt": "a lighthouse", "size": "16x16"}'
    stores.database.execute("UPDATE creations SET request = :stored", {"stored": stored})
    entry = stores.content.find_kept(waiting.guid)
    assert entry is not None
    small = entry.image.model_copy(update={"width": 16, "height": 16})
    edited = entry.model_copy(update={"image": small}).model_dump_json()
    (tmp_path / "journal" / f"{waiting.guid}.json").write_text(edited)
    recovery.run_once()
    image = stores.images.find_image(waiting.guid)
    assert image is not None
    assert (image.width, image.height) == (16, 16)
    assert status_of(stores, waiting) == CreationStatus.READY


def test_an_unreadable_entry_is_kept_and_logged_once_and_delays_no_other(
    waiting: Creation,
    recovery: Recovery,
    stores: ImageStores,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = tmp_path / "journal" / "00000000-0000-4000-8000-000000000000.json"
    broken.write_bytes(b"{")
    for _ in range(3):
        recovery.run_once()
    assert stores.images.find_image(waiting.guid) is not None
    assert broken.exists()
    assert sum(broken.stem in record.getMessage() for record in caplog.records) == 1


def make_unreadable(entry: Path) -> Path:
    """Move an entry away, and have in its place what not even root can read."""
    moved = entry.rename(entry.parent.with_name("entry.json"))
    entry.mkdir()
    return moved


def test_an_entry_on_a_failing_disk_is_logged_once_and_tried_again(
    waiting: Creation,
    recovery: Recovery,
    stores: ImageStores,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    entry = tmp_path / "journal" / f"{waiting.guid}.json"
    moved = make_unreadable(entry)
    expire(stores.database)
    for _ in range(3):
        recovery.run_once()
    assert status_of(stores, waiting) == CreationStatus.PENDING
    assert [waiting.guid in message for message in criticals(caplog)] == [True]
    entry.rmdir()
    moved.rename(entry)
    recovery.run_once()
    assert stores.images.find_image(waiting.guid) is not None


def test_an_entry_on_a_failing_disk_delays_no_claim(
    waiting: Creation,
    recovery: Recovery,
    stores: ImageStores,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    make_unreadable(tmp_path / "journal" / f"{waiting.guid}.json")
    dead = take(Claims(stores), people[0], "another")
    expire(stores.database)
    run_twice(recovery)
    assert status_of(stores, dead) is None


def test_a_folder_of_another_database_is_left_alone(
    waiting: Creation, stores: ImageStores, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "images" / ".store").write_text("0" * 64 + "\n")
    marker = StoreMarker(database, FolderMark(tmp_path / "images"))
    marked = replace(stores, content=FileStore(tmp_path / "images", marker=marker))
    filename = f"{waiting.guid}.png"
    part = tmp_path / "images" / ".staging" / f"{waiting.guid}.part"
    stores.content.locate(filename).rename(part)
    with pytest.raises(StoreMismatchError):
        Recovery(marked, Claims(marked), ImageAdopter(marked)).run_once()
    assert stores.content.list_kept() == [waiting.guid]
    assert part.exists()


class LosesVolume(SketchGenerator):
    """Loses the volume of the images while it draws: what is left is an empty folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def generate(self, order: ImageOrder, on_partial: OnPartial = ignore_partial) -> GeneratedImage:
        self._folder.rename(self._folder.with_name("volume"))
        self._folder.mkdir()
        return super().generate(order, on_partial)


def test_an_image_stays_on_the_volume_it_was_reserved_on(
    open_creator: Callable[..., ImageCreator],
    stores: ImageStores,
    people: tuple[User, ...],
    tmp_path: Path,
) -> None:
    folder, volume = tmp_path / "images", tmp_path / "volume"
    folder.mkdir()
    marked = replace(
        stores, content=FileStore(folder, marker=StoreMarker(stores.database, FolderMark(folder)))
    )
    creator = open_creator(LosesVolume(folder), content=marked.content)
    creation = creator.create(ASKED, people[0]).image
    assert isinstance(creation, Creation)
    assert stores.images.find_image(creation.guid) is None
    assert list(folder.rglob("*.part")) == []
    folder.rename(tmp_path / "wrong")
    volume.rename(folder)
    Recovery(marked, Claims(marked), ImageAdopter(marked)).run_once()
    assert stores.images.find_image(creation.guid) is not None
