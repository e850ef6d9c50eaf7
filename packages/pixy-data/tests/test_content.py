"""The contract of the image store: what was written is read, and damage is noticed."""

import hashlib
import logging
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from image_samples import make_detail
from pixy_core import (
    ContentDamagedError,
    ImageDetail,
    InvalidInputError,
    StorageUnavailableError,
)
from pixy_data import ContentStore

CONTENT = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "images", reserve=0)


def write(
    store: ContentStore, content: bytes = CONTENT, media_type: str = "image/png"
) -> ImageDetail:
    """Write an image, and return what its row says."""
    detail = make_detail()
    stored = store.stage(detail.guid, media_type, content)
    store.publish(stored.filename)
    return detail.model_copy(update={**stored._asdict(), "media_type": media_type})


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("media_type", "extension"),
    [("image/png", "png"), ("image/jpeg", "jpg"), ("image/webp", "webp")],
)
def test_what_was_written_is_read(
    store: ContentStore, tmp_path: Path, media_type: str, extension: str
) -> None:
    image = write(store, media_type=media_type)
    assert store.read(image) == CONTENT
    assert image.filename == f"{image.guid}.{extension}"
    assert list_files(tmp_path) == [f"images/{image.guid[:2]}/{image.filename}"]


def test_the_row_is_told_size_and_hash(store: ContentStore) -> None:
    image = write(store)
    assert (image.size, image.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def test_an_empty_file_is_a_file(store: ContentStore) -> None:
    assert store.read(write(store, b"")) == b""


def test_a_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = ContentStore(Path("images"), reserve=0)
    path = store.locate(write(store).filename)
    assert path.is_absolute()
    assert path.is_file()


def test_writers_at_once_each_keep_their_bytes(store: ContentStore) -> None:
    written: list[tuple[ImageDetail, bytes]] = []

    def write_several(number: int) -> None:
        for _ in range(5):
            content = os.urandom(1000 + number)
            written.append((write(store, content), content))

    threads = [threading.Thread(target=write_several, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written) == 40
    assert all(store.read(image) == content for image, content in written)


@pytest.mark.parametrize("media_type", ["image/gif", "text/html", "", "image/../png"])
def test_another_media_type_is_refused(
    store: ContentStore, tmp_path: Path, media_type: str
) -> None:
    with pytest.raises(InvalidInputError):
        store.stage(str(uuid.uuid4()), media_type, CONTENT)
    assert list_files(tmp_path) == []


@pytest.mark.parametrize(
    "guid", ["", "../../etc/passwd", "a/b", "0F8F1A52-4C0B-4C7E-9A53-0A4A3F1D2B11", "\0"]
)
def test_a_guid_that_is_none_is_refused(store: ContentStore, tmp_path: Path, guid: str) -> None:
    with pytest.raises(InvalidInputError):
        store.stage(guid, "image/png", CONTENT)
    assert list_files(tmp_path) == []


@pytest.mark.parametrize(
    "filename", ["", "../x.png", "/etc/passwd", "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11.gif", ".."]
)
def test_a_filename_that_is_none_is_damage(store: ContentStore, filename: str) -> None:
    with pytest.raises(ContentDamagedError):
        store.locate(filename)
    with pytest.raises(ContentDamagedError):
        store.read(make_detail().model_copy(update={"filename": filename}))


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    os.truncate(path, 100)


def lengthen(path: Path) -> None:
    path.write_bytes(CONTENT + b"x")


def flip_a_bit(path: Path) -> None:
    content = bytearray(CONTENT)
    content[500] ^= 1
    path.write_bytes(content)


def flip_a_bit_and_hide_when(path: Path) -> None:
    times = path.stat()
    flip_a_bit(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_a_link(path: Path) -> None:
    path.rename(path.with_suffix(".original"))
    path.symlink_to(path.with_suffix(".original"))


def make_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_the_shard_a_file(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("")


@pytest.mark.parametrize("read_before", [False, True], ids=["cold", "hot"])
@pytest.mark.parametrize(
    "damage",
    [
        remove,
        truncate,
        lengthen,
        flip_a_bit,
        flip_a_bit_and_hide_when,
        make_a_folder,
        make_a_link,
        make_a_pipe,
        make_the_shard_a_file,
    ],
)
def test_a_damaged_file_is_noticed_and_logged(
    store: ContentStore,
    damage: Callable[[Path], None],
    read_before: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    image = write(store)
    if read_before:
        store.read(image)
    damage(store.locate(image.filename))
    with pytest.raises(ContentDamagedError):
        store.read(image)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert image.guid in errors[0].getMessage()


def test_a_row_that_says_otherwise_is_damage(store: ContentStore) -> None:
    image = write(store)
    assert store.read(image) == CONTENT
    with pytest.raises(ContentDamagedError):
        store.read(image.model_copy(update={"sha256": "0" * 64}))


def test_a_deleted_file_is_gone_and_deleting_again_is_fine(
    store: ContentStore, tmp_path: Path
) -> None:
    image = write(store)
    store.delete(image.filename)
    store.delete(image.filename)
    assert list_files(tmp_path) == []


def test_a_store_with_room_is_writable(store: ContentStore) -> None:
    store.check_writable()


def test_a_disk_below_its_reserve_is_unavailable(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "images", reserve=2**62)
    with pytest.raises(StorageUnavailableError):
        store.check_writable()


def test_a_folder_that_vanished_is_unavailable_and_not_made_again(
    store: ContentStore, tmp_path: Path
) -> None:
    store.check_writable()
    (tmp_path / "images").rmdir()
    with pytest.raises(StorageUnavailableError):
        store.check_writable()
    with pytest.raises(StorageUnavailableError):
        write(store)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("")
    store = ContentStore(tmp_path / "images", reserve=0)
    with pytest.raises(StorageUnavailableError):
        store.check_writable()
    with pytest.raises(StorageUnavailableError):
        write(store)


def test_a_write_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    # a file size limit breaks a write in the middle, as a full disk does
    script = """
import resource, sys, uuid
from pathlib import Path
from pixy_core import StorageUnavailableError
from pixy_data import ContentStore
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    ContentStore(Path(sys.argv[1]), reserve=0).stage(str(uuid.uuid4()), "image/png", bytes(50_000))
except StorageUnavailableError as error:
    print(type(error.__cause__).__name__)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "OSError\n"
    assert list_files(tmp_path) == []


def test_bytes_that_cannot_take_their_place_wait(store: ContentStore) -> None:
    guid = str(uuid.uuid4())
    place = store.locate(f"{guid}.png")
    place.mkdir(parents=True)
    staged = store.stage(guid, "image/png", CONTENT)
    with pytest.raises(StorageUnavailableError):
        store.publish(staged.filename)
    place.rmdir()
    store.publish(staged.filename)
    assert place.read_bytes() == CONTENT


def test_staged_bytes_are_no_image_s_file_yet(store: ContentStore, tmp_path: Path) -> None:
    detail = make_detail()
    stored = store.stage(detail.guid, "image/png", CONTENT)
    assert list_files(tmp_path) == [f"images/.staging/{stored.filename}.part"]
    with pytest.raises(ContentDamagedError):
        store.read(detail.model_copy(update=stored._asdict()))


def test_publishing_again_is_fine(store: ContentStore, tmp_path: Path) -> None:
    image = write(store)
    store.publish(image.filename)
    assert list_files(tmp_path) == [f"images/{image.guid[:2]}/{image.filename}"]


def test_bytes_whose_folder_is_gone_are_published(store: ContentStore) -> None:
    """A backup may leave out folders that are empty."""
    staged = store.stage(str(uuid.uuid4()), "image/png", CONTENT)
    place = store.locate(staged.filename)
    place.parent.rmdir()
    store.publish(staged.filename)
    assert place.read_bytes() == CONTENT


def test_bytes_that_are_gone_can_t_be_published(store: ContentStore) -> None:
    staged = store.stage(str(uuid.uuid4()), "image/png", CONTENT)
    store.staging.discard(staged.filename)
    store.staging.discard(staged.filename)
    with pytest.raises(ContentDamagedError):
        store.publish(staged.filename)


def test_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    store = ContentStore(folder)
    path = store.locate(write(store).filename)
    places = (folder, folder / ".staging", path.parent, path)
    assert [place.stat().st_mode & 0o777 for place in places] == [0o700, 0o700, 0o700, 0o600]
