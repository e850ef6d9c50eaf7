"""Restoring: damaged backups, and folders that are in use."""

from collections.abc import Callable

import pytest

from backup_places import Places, write_entry
from pixy_core import BackupError, Image

pytestmark = pytest.mark.usefixtures("embedded_database")

Make = Callable[..., Image]


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
