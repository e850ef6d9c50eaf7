"""The contract of the image store: what was written is read, and damage is noticed."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_samples import make_detail
from pixy_core import (
    ContentDamagedError,
    ImageDetail,
    InvalidInputError,
    StorageUnavailableError,
)
from pixy_data import FileRecord, FileStore
from pixy_data.content.files.reserved_files import ReservedFile
from stored_images import stage_image

CONTENT = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
HASH = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "images", reserve=0)


def write(store: FileStore, content: bytes = CONTENT, media_type: str = "image/png") -> ImageDetail:
    """Write an image, and return what its row says."""
    detail = make_detail()
    stored = stage_image(store, detail.guid, content, media_type)
    store.publish(stored.filename)
    return detail.model_copy(update={**stored._asdict(), "media_type": media_type})


def make_guids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("media_type", "extension"),
    [("image/png", "png"), ("image/jpeg", "jpg"), ("image/webp", "webp")],
)
def test_what_was_written_is_read(
    store: FileStore, tmp_path: Path, media_type: str, extension: str
) -> None:
    image = write(store, media_type=media_type)
    assert store.read(image) == CONTENT
    assert image.filename == f"{image.guid}.{extension}"
    assert list_files(tmp_path) == [f"images/{image.guid[:2]}/{image.filename}"]


def test_the_row_is_told_size_and_hash(store: FileStore) -> None:
    image = write(store)
    assert (image.size, image.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def test_an_empty_file_is_a_file(store: FileStore) -> None:
    assert store.read(write(store, b"")) == b""


def test_a_path_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileStore(Path("images"), reserve=0)
    path = store.locate(write(store).filename)
    assert path.is_absolute()
    assert path.is_file()


def test_copies_of_one_image_at_once_do_not_disturb_each_other(
    store: FileStore, tmp_path: Path
) -> None:
    records = [FileRecord(guid, f"{guid}.png", len(CONTENT), HASH) for guid in make_guids(50)]
    barrier, failures = threading.Barrier(2), list[Exception]()

    def copy_all() -> None:
        for record in records:
            barrier.wait(60)
            try:
                store.copy_in(record, CONTENT)
            except StorageUnavailableError as error:
                failures.append(error)

    threads = [threading.Thread(target=copy_all) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(store.inventory.is_whole(record) for record in records)
    assert len(list_files(tmp_path)) == len(records)


def test_a_copy_leaves_the_file_of_a_creation_alone(store: FileStore, tmp_path: Path) -> None:
    (guid,) = make_guids(1)
    part = tmp_path / "images" / ".staging" / f"{guid}.part"
    with store.reserve_file(guid, 0):
        before = part.stat()
        store.copy_in(FileRecord(guid, f"{guid}.png", len(CONTENT), HASH), CONTENT)
        assert os.path.samestat(part.stat(), before)


def test_what_a_killed_copy_leaves_is_found_and_removed(store: FileStore, tmp_path: Path) -> None:
    (guid,) = make_guids(1)
    program = f"""
import signal, resource, sys
from pathlib import Path
from pixy_data import FileRecord, FileStore
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
# a file that becomes too long ends the process
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
store = FileStore(Path({str(tmp_path / "images")!r}), reserve=0)
store.copy_in(FileRecord({guid!r}, "{guid}.png", 9000, ""), bytes(9000))
"""
    subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    (found,) = store.inventory.list_unfinished()
    (leftover,) = store.list_leftovers(0)
    assert found.guid == leftover.guid == guid
    assert store.remove_leftover(leftover, 0)
    assert list_files(tmp_path) == []


def test_writers_at_once_each_keep_their_bytes(store: FileStore) -> None:
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
def test_another_media_type_is_refused(store: FileStore, tmp_path: Path, media_type: str) -> None:
    with pytest.raises(InvalidInputError):
        store.describe(str(uuid.uuid4()), media_type, CONTENT)
    assert list_files(tmp_path) == []


@pytest.mark.parametrize(
    "guid", ["", "../../etc/passwd", "a/b", "0F8F1A52-4C0B-4C7E-9A53-0A4A3F1D2B11", "\0"]
)
def test_a_guid_that_is_none_is_refused(store: FileStore, tmp_path: Path, guid: str) -> None:
    with pytest.raises(InvalidInputError), store.reserve_file(guid, 1):
        pass
    assert list_files(tmp_path) == []


@pytest.mark.parametrize(
    "filename", ["", "../x.png", "/etc/passwd", "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11.gif", ".."]
)
def test_a_filename_that_is_none_is_damage(store: FileStore, filename: str) -> None:
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
def test_a_damaged_file_is_noticed(
    store: FileStore, damage: Callable[[Path], None], read_before: bool
) -> None:
    image = write(store)
    if read_before:
        store.read(image)
    damage(store.locate(image.filename))
    with pytest.raises(ContentDamagedError):
        store.read(image)


def test_a_row_that_says_otherwise_is_damage(store: FileStore) -> None:
    image = write(store)
    assert store.read(image) == CONTENT
    with pytest.raises(ContentDamagedError):
        store.read(image.model_copy(update={"sha256": "0" * 64}))


def test_a_deleted_file_is_gone_and_deleting_again_is_fine(
    store: FileStore, tmp_path: Path
) -> None:
    image = write(store)
    store.delete(image.filename)
    store.delete(image.filename)
    assert list_files(tmp_path) == []


def reserve(store: FileStore, size: int = 1) -> None:
    """Reserve an image's file, and release it."""
    with store.reserve_file(str(uuid.uuid4()), size):
        pass


def test_a_reservation_that_is_not_used_leaves_nothing(store: FileStore, tmp_path: Path) -> None:
    guid = str(uuid.uuid4())
    with store.reserve_file(guid, 5000):
        (part,) = list_files(tmp_path)
        assert part == f"images/.staging/{guid}.part"
        assert (tmp_path / "images" / guid[:2]).is_dir()
    assert list_files(tmp_path) == []


def test_reserved_bytes_are_set_aside_on_the_disk(store: FileStore, tmp_path: Path) -> None:
    with store.reserve_file(str(uuid.uuid4()), 1_000_000) as file:
        (part,) = (tmp_path / "images" / ".staging").iterdir()
        assert file.is_allocated
        assert part.stat().st_blocks * 512 >= 1_000_000
        file.fill(CONTENT)
        assert part.read_bytes() == CONTENT


def test_a_disk_below_its_reserve_is_unavailable(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "images", reserve=2**62)
    with pytest.raises(StorageUnavailableError):
        reserve(store)
    with pytest.raises(StorageUnavailableError):
        store.check_room()
    assert list_files(tmp_path) == []


def test_an_image_that_is_larger_than_what_is_free_is_refused(
    store: FileStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reserve(store)
    store.check_room()
    with pytest.raises(StorageUnavailableError):
        reserve(store, 2**50)
    assert list_files(tmp_path) == []
    assert "no image can be stored" in caplog.text


def test_a_folder_that_vanished_is_unavailable_and_not_made_again(
    store: FileStore, tmp_path: Path
) -> None:
    reserve(store)
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(StorageUnavailableError):
        reserve(store)
    with pytest.raises(StorageUnavailableError):
        store.check_room()
    with pytest.raises(StorageUnavailableError):
        write(store)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("")
    store = FileStore(tmp_path / "images", reserve=0)
    with pytest.raises(StorageUnavailableError):
        reserve(store)


@pytest.fixture
def removed(store: FileStore, tmp_path: Path) -> Iterator[tuple[str, ReservedFile]]:
    """Return the guid of an image and its reserved file, whose folder was removed meanwhile."""
    guid = str(uuid.uuid4())
    with store.reserve_file(guid, 1) as file:
        shutil.rmtree(tmp_path / "images" / ".staging")
        yield guid, file


def test_a_reserved_file_that_was_removed_is_replaced(
    store: FileStore, removed: tuple[str, ReservedFile]
) -> None:
    guid, file = removed
    file.fill(CONTENT)
    file.keep()
    store.publish(f"{guid}.png")
    assert store.locate(f"{guid}.png").read_bytes() == CONTENT


def test_filling_again_replaces_what_was_written(store: FileStore) -> None:
    guid = str(uuid.uuid4())
    with store.reserve_file(guid, 1) as file:
        for content in (CONTENT * 2, CONTENT, CONTENT):
            file.fill(content)
        file.keep()
    store.publish(f"{guid}.png")
    assert store.locate(f"{guid}.png").read_bytes() == CONTENT


def test_what_an_earlier_version_staged_is_published(store: FileStore, tmp_path: Path) -> None:
    guid = str(uuid.uuid4())
    staged = tmp_path / "images" / ".staging" / f"{guid}.png.part"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(CONTENT)
    store.publish(f"{guid}.png")
    assert store.locate(f"{guid}.png").read_bytes() == CONTENT
    assert not staged.exists()


def test_a_write_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    # a file size limit breaks a write in the middle, as a full disk does
    script = """
import resource, sys, uuid
from pathlib import Path
from pixy_data import FileRecord, FileStore
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
with FileStore(Path(sys.argv[1]), reserve=0).reserve_file(str(uuid.uuid4()), 5_000) as file:
    try:
        file.fill(bytes(50_000))
    except OSError as error:
        print(error.strerror)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert list_files(tmp_path) == []


def test_bytes_that_cannot_take_their_place_wait(store: FileStore) -> None:
    guid = str(uuid.uuid4())
    place = store.locate(f"{guid}.png")
    place.mkdir(parents=True)
    staged = stage_image(store, guid, CONTENT)
    with pytest.raises(StorageUnavailableError):
        store.publish(staged.filename)
    place.rmdir()
    store.publish(staged.filename)
    assert place.read_bytes() == CONTENT


def test_staged_bytes_are_no_image_s_file_yet(store: FileStore, tmp_path: Path) -> None:
    detail = make_detail()
    stored = stage_image(store, detail.guid, CONTENT)
    assert list_files(tmp_path) == [f"images/.staging/{detail.guid}.part"]
    with pytest.raises(ContentDamagedError):
        store.read(detail.model_copy(update=stored._asdict()))


def test_publishing_again_is_fine(store: FileStore, tmp_path: Path) -> None:
    image = write(store)
    store.publish(image.filename)
    assert list_files(tmp_path) == [f"images/{image.guid[:2]}/{image.filename}"]


def test_bytes_whose_folder_is_gone_are_published(store: FileStore) -> None:
    """A backup may leave out folders that are empty."""
    staged = stage_image(store, str(uuid.uuid4()), CONTENT)
    place = store.locate(staged.filename)
    place.parent.rmdir()
    store.publish(staged.filename)
    assert place.read_bytes() == CONTENT


def test_bytes_that_are_gone_can_t_be_published(store: FileStore) -> None:
    reserve(store)
    with pytest.raises(ContentDamagedError):
        store.publish(f"{uuid.uuid4()}.png")


def test_only_the_group_may_read_files_besides_their_owner(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    store = FileStore(folder)
    path = store.locate(write(store).filename)
    places = (folder, folder / ".staging", path.parent, path)
    assert [place.stat().st_mode & 0o777 for place in places] == [0o750, 0o700, 0o750, 0o640]
