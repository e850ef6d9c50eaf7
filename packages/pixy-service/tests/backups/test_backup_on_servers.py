"""Backups of files alone, before and after the dump of a server's database."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from backup_places import Places, write_entry
from pixy_core import ConfigurationError, Image
from pixy_data import Journal
from pixy_service import PrivateImageService, open_backup, open_restore

if TYPE_CHECKING:
    from mysql_server import MySQLServer

pytestmark = pytest.mark.usefixtures("mysql_server")


def back_up(places: Places) -> int:
    """Back up the files, and return how many entries the backup has."""
    with open_backup(places.url, places.data, places.folder, files_only=True) as store:
        assert list(store.run()) == []
        return store.entries


def test_an_entry_is_kept_until_its_image_is_deleted(
    places: Places, anns: PrivateImageService, make_image: Callable[..., Image]
) -> None:
    make_image()
    image = make_image()
    write_entry(places.data, image)
    assert back_up(places) == 1
    # a dump that is made here may lack the row
    Journal(places.data / "journal").remove(image.guid)
    assert back_up(places) == 1
    anns.delete_image(image.guid)
    assert back_up(places) == 0


def test_a_database_without_its_dump_is_told_what_to_do(
    places: Places, make_image: Callable[..., Image], mysql_server: "MySQLServer"
) -> None:
    make_image()
    back_up(places)
    with (
        pytest.raises(ConfigurationError, match="mariadb-dump --single-transaction"),
        places.open_backup(),
    ):
        pass
    for url in (mysql_server.create_database(), f"sqlite:///{places.new}/pixy.sqlite3"):
        with (
            open_restore(url, places.new, places.folder) as store,
            pytest.raises(Exception, match="dump"),
        ):
            list(store.run())
        assert not list(places.new.rglob("*.png"))
