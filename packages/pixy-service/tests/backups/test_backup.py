"""Backups and what they restore, with creates and deletes at the worst moments."""

import hashlib
import json
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest

from pixy_core import (
    BackupError,
    ConfigurationError,
    Image,
    ImageDetail,
    SchemaError,
    StoreMismatchError,
)
from pixy_data import (
    BackupFolder,
    Database,
    ImageFolders,
    ImageRepository,
    Inventory,
    Journal,
    JournalEntry,
    open_database,
)
from pixy_service import (
    Finding,
    ImageGenerator,
    PrivateImageService,
    Services,
    StoreBackup,
    open_backup,
    open_checker,
    open_restore,
    open_services,
)
from stored_images import write_journal

Make = Callable[..., Image]


@dataclass(frozen=True)
class Places:
    """An installation, its backup and where that is restored to.

    Attributes:
        url: The installation's database.
        data: Its data folder.
        folder: The backup.
        new: The data folder of what is restored.
        generator: What a restored server draws with.
    """

    url: str
    data: Path
    folder: Path
    new: Path
    generator: ImageGenerator

    def open_backup(self) -> AbstractContextManager[StoreBackup]:
        return open_backup(self.url, self.data, self.folder)

    def back_up(self) -> list[Finding]:
        with self.open_backup() as store:
            return list(store.run())

    def restore(self) -> list[Finding]:
        """Restore, and check the result as `pixy check` does."""
        url = f"sqlite:///{self.new}/pixy.sqlite3"
        with open_restore(url, self.new, self.folder) as store:
            findings = list(store.run())
        if not findings:
            with open_checker(url, self.new, min_age=3600) as checker:
                assert list(checker.check()) == []
        return findings

    def list_restored(self) -> set[str]:
        """Return the guids of Ann's images, once a server has started on what was restored."""
        url = f"sqlite:///{self.new}/pixy.sqlite3"
        with open_services(
            database_url=url, data_dir=self.new, generator=self.generator
        ) as services:
            services._recovery.run_once()
            ann = services.users.user_repo.authenticate_user("ann")
            assert ann is not None
            return {image.guid for image in services.private_images(ann).list_images(50).images}

    def place_of(self, image: Image) -> Path:
        return self.data / "images" / image.filename[:2] / image.filename

    def copy_of(self, image: Image) -> Path:
        return self.folder / "images" / image.filename[:2] / image.filename

    def restored_of(self, image: Image) -> Path:
        return self.new / "images" / image.filename[:2] / image.filename


@pytest.fixture
def places(database_url: str, tmp_path: Path, generator: ImageGenerator) -> Places:
    if not database_url.startswith("sqlite"):
        pytest.skip("the backup of a server's database is tried in tests/faults")
    return Places(
        url=database_url,
        data=tmp_path / "data",
        folder=tmp_path / "of another disk" / "backup",
        new=tmp_path / "new" / "data",
        generator=generator,
    )


@pytest.fixture
def services(places: Places) -> Iterator[Services]:
    """The services, with their data in a folder of its own."""
    with open_services(
        database_url=places.url, data_dir=places.data, generator=places.generator
    ) as services:
        yield services


def read_images(data_dir: Path) -> dict[str, str]:
    """Return the hash of each file, by name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (data_dir / "images").glob("[0-9a-f][0-9a-f]/*")
    }


def write_entry(data: Path, image: Image) -> None:
    detail = ImageDetail(**image.model_dump(include=set(ImageDetail.model_fields)))
    write_journal(
        Journal(data / "journal"),
        JournalEntry(image=detail, owner="ann", class_key="red", created_at=image.created_at),
    )


def test_what_was_backed_up_is_restored_byte_for_byte(places: Places, make_image: Make) -> None:
    images = [make_image() for _ in range(3)]
    assert places.back_up() == []
    assert places.restore() == []
    assert read_images(places.new) == read_images(places.data)
    database = open_database(f"sqlite:///{places.new}/pixy.sqlite3")
    rows = {image.guid: ImageRepository(database).find_image(image.guid) for image in images}
    database.close()
    assert rows == {image.guid: image for image in images}


def test_only_its_owner_can_read_a_backup(places: Places, make_image: Make) -> None:
    make_image()
    places.back_up()
    places.restore()
    paths = [places.folder, *places.folder.rglob("*"), *places.new.rglob("*")]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()}
    assert modes == {0o700}
    assert {stat.S_IMODE(p.stat().st_mode) for p in paths if p.is_file()} == {0o600}
    assert {path.stat().st_nlink for path in paths if path.is_file()} == {1}


def test_a_second_backup_copies_what_is_new_and_removes_what_was_deleted(
    places: Places, anns: PrivateImageService, make_image: Make
) -> None:
    kept, deleted = make_image(), make_image()

    def run() -> StoreBackup:
        with places.open_backup() as store:
            assert list(store.run()) == []
            return store

    first = run()
    assert (first.copier.files, first.images, first.removed) == (2, 2, 0)
    inode = places.copy_of(kept).stat().st_ino
    anns.delete_image(deleted.guid)
    new = make_image()
    second = run()
    assert (second.copier.files, second.images, second.removed) == (1, 2, 1)
    assert set(read_images(places.folder)) == {kept.filename, new.filename}
    assert places.copy_of(kept).stat().st_ino == inode
    assert len(list(places.folder.glob("rows-*"))) == 1


def test_a_copy_of_the_wrong_size_is_made_again(places: Places, make_image: Make) -> None:
    image = make_image()
    places.back_up()
    places.copy_of(image).write_bytes(b"")
    places.back_up()
    assert places.copy_of(image).stat().st_size == image.size


@pytest.mark.parametrize("is_staged", [True, False], ids=["staged", "published"])
def test_an_image_that_waits_for_its_row_is_restored(
    places: Places, make_image: Make, database: Database, is_staged: bool
) -> None:
    image = make_image()
    write_entry(places.data, image)
    ImageRepository(database).delete_image(image.guid, "ann")
    if is_staged:
        (places.data / "images" / ".staging").mkdir(exist_ok=True)
        places.place_of(image).rename(places.data / "images/.staging" / f"{image.filename}.part")
    assert places.back_up() == []
    assert places.restore() == []
    assert places.list_restored() == {image.guid}


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


@pytest.mark.parametrize(
    ("damage", "kind"),
    [(Path.unlink, "missing"), (lambda path: path.write_bytes(b"x"), "corrupt")],
    ids=["missing", "corrupt"],
)
def test_a_damaged_file_is_reported_and_its_sound_copy_is_kept(
    places: Places, make_image: Make, damage: Callable[[Path], object], kind: str
) -> None:
    copied = make_image()
    assert places.back_up() == []
    new = make_image()
    for image in (copied, new):
        damage(places.place_of(image))
    # the copy of the first has the right size, and is not looked for
    (finding,) = places.back_up()
    assert (finding.kind, finding.guid) == (kind, new.guid)
    (finding,) = places.restore()
    assert (finding.kind, finding.guid) == ("missing", new.guid)
    assert places.restored_of(copied).stat().st_size == copied.size


def test_damage_in_the_backup_is_reported_and_the_rest_is_restored(
    places: Places, make_image: Make
) -> None:
    lost, bad, sound = (make_image() for _ in range(3))
    places.back_up()
    places.copy_of(lost).unlink()
    content = places.copy_of(bad).read_bytes()
    places.copy_of(bad).write_bytes(content[:-1] + b"\0")
    found = {finding.guid: finding.kind.value for finding in places.restore()}
    assert found == {lost.guid: "missing", bad.guid: "corrupt"}
    assert places.restored_of(sound).exists()
    assert places.restored_of(bad).read_bytes() == content[:-1] + b"\0"


def test_an_entry_that_can_not_be_read_is_copied_with_its_file(
    places: Places, make_image: Make
) -> None:
    make_image()
    guid = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
    (places.data / "journal").mkdir(exist_ok=True)
    (places.data / "journal" / f"{guid}.json").write_text("{")
    part = places.data / "images/.staging" / f"{guid}.png.part"
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"paid for")
    for _ in range(2):
        assert places.back_up() == []
    assert places.restore() == []
    assert (places.new / "journal" / f"{guid}.json").read_text() == "{"
    assert (places.new / "images/.staging" / part.name).read_bytes() == b"paid for"


def test_files_of_a_killed_restore_of_another_backup_are_not_used(
    places: Places, make_image: Make
) -> None:
    make_image()
    places.back_up()
    (copy,) = places.folder.glob("rows-*/pixy.sqlite3")
    older = copy.read_bytes()
    make_image()
    places.back_up()
    (copy,) = places.folder.glob("rows-*/pixy.sqlite3")
    assert copy.stat().st_size == len(older)
    places.new.mkdir(parents=True)
    (places.new / "pixy.sqlite3.restoring").write_bytes(older)
    (places.new / "pixy.sqlite3.restoring-wal").write_bytes(b"of that one")
    assert places.restore() == []
    assert len(places.list_restored()) == 2


def test_a_backup_that_lost_its_hidden_file_is_restored(places: Places, make_image: Make) -> None:
    image = make_image()
    places.back_up()
    (places.folder / "images/.store").unlink()
    assert places.restore() == []
    assert places.list_restored() == {image.guid}


def test_a_backup_that_lost_entries_is_not_restored(places: Places, make_image: Make) -> None:
    image = make_image()
    write_entry(places.data, image)
    places.back_up()
    (entry,) = places.folder.glob("rows-*/journal/*.json")
    entry.unlink()
    with pytest.raises(BackupError, match="0 of 1 entries"):
        places.restore()
    assert not (places.new / "pixy.sqlite3").exists()


def test_a_backup_whose_images_are_the_live_ones_is_refused(
    places: Places, make_image: Make
) -> None:
    make_image()
    places.back_up()
    part = places.data / "images/.staging/0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11.part"
    part.write_bytes(b"in the making")
    (places.folder / "images").rename(places.folder / "away")
    (places.folder / "images").symlink_to(places.data / "images")
    with pytest.raises(ConfigurationError, match="in the data folder"):
        places.back_up()
    assert part.exists()


def test_an_incomplete_backup_is_not_restored(places: Places, make_image: Make) -> None:
    make_image()
    places.back_up()
    manifest = places.folder / "backup.json"
    for content in ("{", '{"version": 2}'):
        manifest.write_text(content)
        with pytest.raises(BackupError, match="damaged"):
            places.restore()
    manifest.unlink()
    with pytest.raises(BackupError, match="no complete backup"):
        places.restore()
    assert not (places.new).exists()
    assert places.back_up() == []
    assert places.restore() == []


def test_a_damaged_list_of_images_is_not_used(places: Places, make_image: Make) -> None:
    make_image()
    places.back_up()
    (copy,) = places.folder.glob("rows-*/images.txt")
    copy.write_text("")
    with pytest.raises(BackupError, match="damaged"):
        places.restore()
    assert not (places.new / "pixy.sqlite3").exists()


def test_a_damaged_copy_of_the_database_is_not_restored(places: Places, make_image: Make) -> None:
    make_image()
    places.back_up()
    (copy,) = places.folder.glob("rows-*/pixy.sqlite3")
    copy.write_bytes(copy.read_bytes()[:-1] + b"?")
    with pytest.raises(BackupError, match="not what it was"):
        places.restore()
    assert not (places.new / "pixy.sqlite3").exists()


@pytest.mark.parametrize(
    "name", ["pixy.sqlite3", "pixy.sqlite3-wal", "images/.store", "images/0f/x", "journal/x.json"]
)
def test_a_restore_overwrites_nothing(places: Places, make_image: Make, name: str) -> None:
    make_image()
    places.back_up()
    path = places.new / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(BackupError, match=r"is not empty|exists"):
        places.restore()
    left = [path for path in (places.new).rglob("*") if path.is_file()]
    assert left == [path]


def test_an_empty_file_system_is_a_valid_target(places: Places, make_image: Make) -> None:
    make_image()
    places.folder.mkdir(parents=True)
    for place in (places.folder, places.new / "images"):
        (place / "lost+found").mkdir(parents=True)
    assert places.back_up() == []
    assert places.restore() == []


def test_another_installation_does_not_get_into_a_backup(places: Places, make_image: Make) -> None:
    image = make_image()
    places.back_up()
    other = places.new
    url = f"sqlite:///{other}/x"
    open_services(database_url=url, data_dir=other, generator=places.generator).close()
    with (
        open_backup(url, other, places.folder) as store,
        pytest.raises(BackupError, match="another installation"),
    ):
        list(store.run())
    assert set(read_images(places.folder)) == {image.filename}


def test_a_database_that_lost_its_rows_does_not_empty_a_backup(
    places: Places, make_image: Make, database: Database
) -> None:
    image = make_image()
    places.back_up()
    database.execute("DELETE FROM images", {})
    with pytest.raises(BackupError, match="no image at all"):
        places.back_up()
    assert places.restore() == []
    assert set(read_images(places.new)) == {image.filename}


def test_a_folder_that_is_not_mounted_is_not_backed_up(places: Places, make_image: Make) -> None:
    image = make_image()
    places.back_up()
    (places.data / "images").rename(places.data / "away")
    (places.data / "images").mkdir()
    with pytest.raises(StoreMismatchError):
        places.back_up()
    assert set(read_images(places.folder)) == {image.filename}
    (places.data / "images").rmdir()
    with pytest.raises(ConfigurationError, match="PIXY_DATA_DIR"):
        places.back_up()


def test_a_second_backup_at_the_same_time_is_refused(places: Places, make_image: Make) -> None:
    make_image()
    with BackupFolder(places.folder).lock(), pytest.raises(BackupError, match="Another process"):
        places.back_up()
    assert places.back_up() == []


def test_a_folder_of_something_else_is_not_touched(places: Places, make_image: Make) -> None:
    make_image()
    places.folder.mkdir(parents=True)
    (places.folder / "thesis.txt").touch()
    with pytest.raises(BackupError, match="neither empty nor a backup"):
        places.back_up()
    assert [path.name for path in places.folder.iterdir()] == ["thesis.txt"]


def test_a_folder_within_the_data_folder_is_refused(places: Places, services: Services) -> None:
    for folder in (places.data, places.data / "images" / "backup"):
        with pytest.raises(ConfigurationError, match="data folder"):
            open_backup(places.url, places.data, folder).__enter__()


def test_a_database_that_is_not_there_is_not_made(places: Places) -> None:
    (places.data / "images").mkdir(parents=True)
    path = places.data / "nothing.sqlite3"
    with pytest.raises(ConfigurationError, match="no database"):
        open_backup(f"sqlite:///{path}", places.data, places.folder).__enter__()
    assert not path.exists()
    path.touch()
    with pytest.raises(SchemaError, match="no tables"):
        open_backup(f"sqlite:///{path}", places.data, places.folder).__enter__()


def test_an_image_folder_that_can_t_be_read_is_a_configuration_error(places: Places) -> None:
    # an error that root gets, too
    places.data.mkdir()
    unreadable = places.data / ("x" * 300)
    with (
        pytest.raises(ConfigurationError, match="can't be read"),
        open_backup(places.url, unreadable, places.folder),
    ):
        pass


def test_files_only_is_for_servers(places: Places, services: Services) -> None:
    with pytest.raises(ConfigurationError, match="--files-only is for MySQL"):
        open_backup(places.url, places.data, places.folder, files_only=True).__enter__()


def test_files_of_several_batches_are_kept_and_removed(places: Places, make_image: Make) -> None:
    image = make_image()
    places.back_up()
    for number in range(450):
        guid = f"{number % 3:08x}-0000-4000-8000-{number:012x}"
        path = places.folder / "images" / guid[:2] / f"{guid}.png"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    places.back_up()
    assert set(read_images(places.folder)) == {image.filename}


def test_a_copied_database_is_one_file(places: Places, make_image: Make) -> None:
    make_image()
    places.back_up()
    (rows,) = places.folder.glob("rows-*")
    assert sorted(path.name for path in rows.iterdir()) == [
        "images.txt",
        "journal",
        "pixy.sqlite3",
    ]
    database = open_database(f"sqlite:///{rows}/pixy.sqlite3")
    assert Inventory(database, places.folder / "images").has_records()
    database.close()
