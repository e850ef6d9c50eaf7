"""Uploads: what is kept, what is refused, and that nothing else is left."""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from pixy_core import (
    CreationStatus,
    DBConnectionError,
    FileTooLargeError,
    Image,
    ImageDetailCreate,
    ImagePendingError,
    InvalidInputError,
    StorageUnavailableError,
    User,
)
from pixy_data import Database, FileStore, Journal, JournalEntry
from pixy_data.content.files.reserved_files import ReservedFile
from pixy_service import Limits, PrivateImageService, Services, SketchGenerator, open_services
from pixy_service.creation.adoption import ImageAdopter
from pixy_service.creation.claims import Claims
from pixy_service.creation.recovery import Recovery
from pixy_service.creation.uploads import ImageUploader
from pixy_service.stores import ImageStores
from pixy_service.validation import DEFAULT_LIMITS
from provider_answers import JPEG, PNG, WEBP, make_png

ListFiles = Callable[[], list[Path]]


@pytest.mark.parametrize(
    ("content", "media_type"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")]
)
def test_an_upload_is_kept_byte_for_byte(
    anns: PrivateImageService, list_files: ListFiles, content: bytes, media_type: str
) -> None:
    image = anns.upload_image(BytesIO(content), "my cat")
    assert [path.read_bytes() for path in list_files()] == [content]
    assert (image.media_type, image.size) == (media_type, len(content))
    assert image.sha256 == hashlib.sha256(content).hexdigest()
    assert (image.generator, image.model) == ("upload", "upload")
    assert (image.prompt, image.visibility, image.owner) == ("my cat", "private", "ann")
    assert anns.get_image_by_guid(image.guid) == image
    assert anns.read_image(image.guid).content == content


@pytest.mark.parametrize(
    ("filename", "prompt"),
    [
        ("cat.png", "cat.png"),
        ("C:\\fakepath\\cat.png", "cat.png"),
        ("/home/ann/../cat.png", "cat.png"),
        ("", "upload"),
        (None, "upload"),
        ("a\0b.png", "upload"),
        ("\u200b", "upload"),
        ("x" * 40_000, "upload"),
    ],
)
def test_without_a_caption_it_has_the_name_of_the_file(
    anns: PrivateImageService, filename: str | None, prompt: str
) -> None:
    with anns.open_upload() as file:
        file.write(PNG)
        uploaded = anns.keep_upload(file, None, filename)
    assert isinstance(uploaded.image, Image)
    assert uploaded.image.prompt == prompt


def test_a_path_is_uploaded_too(anns: PrivateImageService, tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(JPEG)
    assert anns.upload_image(tmp_path / "cat.jpg").prompt == "cat.jpg"


def test_a_caption_that_breaks_a_rule_is_refused(
    anns: PrivateImageService, list_files: ListFiles
) -> None:
    with pytest.raises(InvalidInputError):
        anns.upload_image(BytesIO(PNG), "")
    assert list_files() == []


def test_the_same_bytes_are_the_same_image_of_their_owner(
    services: Services, anns: PrivateImageService, people: tuple[User, ...], list_files: ListFiles
) -> None:
    first = anns.upload_image(BytesIO(PNG), "first")
    assert anns.upload_image(BytesIO(PNG), "second") == first
    bens = services.private_images(people[1])
    assert bens.upload_image(BytesIO(PNG)).guid != first.guid
    assert len(list_files()) == 2
    anns.delete_image(first.guid)
    again = anns.upload_image(BytesIO(PNG), "third")
    assert (again.guid != first.guid, again.prompt) == (True, "third")


def test_a_generated_image_is_no_upload(
    anns: PrivateImageService, make_image: Callable[..., Image]
) -> None:
    made = make_image()
    assert made.sha256 == hashlib.sha256(PNG).hexdigest()
    assert anns.upload_image(BytesIO(PNG)).guid != made.guid


def test_of_many_uploads_of_the_same_bytes_at_once_one_is_kept(
    anns: PrivateImageService, list_files: ListFiles
) -> None:
    barrier = threading.Barrier(6)

    def upload(_: int) -> Image:
        barrier.wait()
        return anns.upload_image(BytesIO(PNG))

    with ThreadPoolExecutor(6) as threads:
        guids = {image.guid for image in threads.map(upload, range(6))}
    assert len(guids) == 1
    assert len(list_files()) == 1
    assert len(anns.get_all_images()) == 1


@pytest.mark.parametrize("content", [b"", b"junk", PNG[:-20], PNG + b"PK", make_png(8193, 1)])
def test_a_refused_upload_leaves_nothing(
    anns: PrivateImageService, database: Database, list_files: ListFiles, content: bytes
) -> None:
    with pytest.raises(InvalidInputError):
        anns.upload_image(BytesIO(content))
    assert list_files() == []
    assert database.fetch_all("SELECT guid FROM creations", {}) == []


def test_limits_of_bytes_and_pixels(tmp_path: Path, database_url: str) -> None:
    limits = Limits(upload_size=len(PNG), upload_pixels=64 * 48)
    with open_services(
        database_url=database_url, data_dir=tmp_path, generator=SketchGenerator(), limits=limits
    ) as services:
        user = User(username="ann", password="-", class_key="red")
        anns = services.private_images(services.users.user_repo.insert_user(user))
        assert anns.upload_image(BytesIO(PNG)).size == len(PNG)
        with pytest.raises(FileTooLargeError):
            anns.upload_image(BytesIO(PNG + b"\0"))
        with pytest.raises(InvalidInputError, match="not valid"):
            anns.upload_image(BytesIO(make_png(64, 49, 9)[: len(PNG)]))


@pytest.fixture
def uploader(stores: ImageStores, claims: Claims) -> ImageUploader:
    return ImageUploader(stores, claims, ImageAdopter(stores), DEFAULT_LIMITS)


def make_uploader(stores: ImageStores, **options: float) -> ImageUploader:
    return ImageUploader(stores, Claims(stores), ImageAdopter(stores), DEFAULT_LIMITS, **options)


def keep(uploader: ImageUploader, user: User, content: bytes = PNG) -> object:
    with uploader.spool(None) as file:
        file.write(content)
        return uploader.keep(file, uploader.describe("a cat", None), user).image


def test_an_upload_without_a_database_leaves_nothing(
    uploader: ImageUploader, people: tuple[User, ...], database: Database, list_files: ListFiles
) -> None:
    with uploader.spool(None) as file:
        file.write(PNG)
        database.initialised = False
        with pytest.raises(DBConnectionError):
            uploader.keep(file, uploader.describe("a cat", None), people[0])
    database.initialised = True
    assert list_files() == []
    assert database.fetch_all("SELECT guid FROM creations", {}) == []


class LosingJournal(Journal):
    """A journal whose disk, or whose database, fails when an entry is written."""

    database: Database | None = None

    def write(self, entry: JournalEntry, file: ReservedFile) -> None:
        if self.database is None:
            raise StorageUnavailableError
        super().write(entry, file)
        self.database.initialised = False


@pytest.fixture
def losing(stores: ImageStores, tmp_path: Path) -> LosingJournal:
    return LosingJournal(tmp_path / "journal")


def losing_to(journal: LosingJournal, stores: ImageStores) -> ImageStores:
    return replace(stores, content=FileStore(journal.directory.parent / "images", journal))


def test_a_disk_that_fails_leaves_neither_a_claim_nor_a_file(
    uploader: ImageUploader,
    people: tuple[User, ...],
    stores: ImageStores,
    list_files: ListFiles,
    losing: LosingJournal,
) -> None:
    failing = make_uploader(losing_to(losing, stores))
    with pytest.raises(StorageUnavailableError):
        keep(failing, people[0])
    assert list_files() == []
    assert stores.database.fetch_all("SELECT guid FROM creations", {}) == []
    assert isinstance(keep(uploader, people[0]), Image)


def test_the_same_bytes_that_another_process_stores_are_waited_for(
    people: tuple[User, ...],
    stores: ImageStores,
) -> None:
    uploader, other = make_uploader(stores, patience=0.1), Claims(stores)
    guid = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
    sha256 = hashlib.sha256(PNG).hexdigest()
    other.take_upload(guid, ImageDetailCreate(prompt="a cat"), people[0], sha256)
    with pytest.raises(ImagePendingError):
        keep(uploader, people[0])
    other.withdraw(guid)
    assert isinstance(keep(uploader, people[0]), Image)


def test_an_upload_that_lost_its_database_after_it_was_safe_is_recovered(
    uploader: ImageUploader,
    recovery: Recovery,
    people: tuple[User, ...],
    stores: ImageStores,
    losing: LosingJournal,
) -> None:
    losing.database = stores.database
    pending = keep(make_uploader(losing_to(losing, stores)), people[0])
    stores.database.initialised = True
    assert pending.status == CreationStatus.PENDING  # type: ignore[attr-defined]
    recovery.run_once()
    image = stores.images.find_image(pending.guid)  # type: ignore[attr-defined]
    assert image is not None
    assert (image.generator, image.sha256) == ("upload", hashlib.sha256(PNG).hexdigest())
    assert keep(uploader, people[0]) == image
