"""Backups of files alone, before and after the dump of a server's database."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pixy_core import ConfigurationError, Image, ImageDetail
from pixy_data import Journal, JournalEntry
from pixy_service import PrivateImageService, open_backup, open_restore
from stored_images import write_journal

if TYPE_CHECKING:
    from mysql_server import MySQLServer


@pytest.fixture
def back_up(database_url: str, tmp_path: Path, mysql_server: "MySQLServer") -> Callable[[], int]:
    """Back up the files of what the test's services use, and return how many entries it has."""

    def run() -> int:
        folder = tmp_path.with_name(f"{tmp_path.name} backup")
        with open_backup(database_url, tmp_path, folder, files_only=True) as store:
            assert list(store.run()) == []
            return store.entries

    return run


def test_an_entry_is_kept_until_its_image_is_deleted(
    back_up: Callable[[], int],
    anns: PrivateImageService,
    make_image: Callable[..., Image],
    tmp_path: Path,
) -> None:
    make_image()
    image = make_image()
    detail = ImageDetail(**image.model_dump(include=set(ImageDetail.model_fields)))
    journal = Journal(tmp_path / "journal")
    write_journal(
        journal,
        JournalEntry(image=detail, owner="ann", class_key="red", created_at=image.created_at),
    )
    assert back_up() == 1
    # a dump that is made here may lack the row
    journal.remove(image.guid)
    assert back_up() == 1
    anns.delete_image(image.guid)
    assert back_up() == 0


def test_a_database_without_its_dump_is_told_what_to_do(
    back_up: Callable[[], int],
    make_image: Callable[..., Image],
    database_url: str,
    mysql_server: "MySQLServer",
    tmp_path: Path,
) -> None:
    make_image()
    back_up()
    folder = tmp_path.with_name(f"{tmp_path.name} backup")
    with (
        pytest.raises(ConfigurationError, match="mariadb-dump --single-transaction"),
        open_backup(database_url, tmp_path, folder),
    ):
        pass
    for url in (mysql_server.create_database(), f"sqlite:///{tmp_path}/new.sqlite3"):
        with (
            open_restore(url, tmp_path / "new", folder) as store,
            pytest.raises(Exception, match="dump"),
        ):
            list(store.run())
        assert not list((tmp_path / "new").rglob("*.png"))
