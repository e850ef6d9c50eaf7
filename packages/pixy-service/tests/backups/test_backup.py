"""What a backup contains, and what is restored from it."""

import stat
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from backup_places import Places, read_images, write_entry
from pixy_core import Image, ImageRequest
from pixy_data import Database, ImageRepository, open_database
from pixy_service import PrivateImageService, StoreBackup
from provider_answers import JPEG

pytestmark = pytest.mark.usefixtures("embedded_database")

Make = Callable[..., Image]


def test_what_was_backed_up_is_restored_byte_for_byte(places: Places, make_image: Make) -> None:
    images = [make_image() for _ in range(3)]
    assert places.back_up() == []
    assert places.restore() == []
    assert read_images(places.new) == read_images(places.data)
    database = open_database(f"sqlite:///{places.new}/pixy.sqlite3")
    rows = {image.guid: ImageRepository(database).find_image(image.guid) for image in images}
    database.close()
    assert rows == {image.guid: image for image in images}


def test_uploads_and_what_images_were_made_from_are_restored(
    places: Places, anns: PrivateImageService
) -> None:
    upload = anns.upload_image(BytesIO(JPEG))
    made = anns.create_image(ImageRequest(prompt="by night", sources=(upload.guid,)))
    # its entry is written again, and its row is lost: what is restored comes from the journal
    write_entry(places.data, made, anns._tools.stores.images.sources.list_sources(made.guid))
    anns._tools.stores.images.delete_image(made.guid, "ann")
    assert places.back_up() == []
    assert places.restore() == []
    assert places.list_restored() == {upload.guid, made.guid}
    database = open_database(f"sqlite:///{places.new}/pixy.sqlite3")
    (source,) = ImageRepository(database).sources.list_sources(made.guid)
    database.close()
    assert (source.guid, source.sha256) == (upload.guid, upload.sha256)
    assert places.restored_of(upload).read_bytes() == JPEG


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
    assert ImageRepository(database).has_images()
    database.close()
