"""Backups that are refused, because they would damage something or be worth nothing."""

from collections.abc import Callable

import pytest

from backup_places import Places, read_images
from pixy_core import BackupError, ConfigurationError, Image, SchemaError, StoreMismatchError
from pixy_data import BackupFolder, Database
from pixy_service import Services, open_backup, open_services

pytestmark = pytest.mark.usefixtures("embedded_database")

Make = Callable[..., Image]


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
