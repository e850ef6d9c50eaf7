"""Spooled files: what was written is read, and nothing is left of it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from image_samples import make_detail
from pixy_core import FileTooLargeError, StorageUnavailableError
from pixy_data import FileStore, JournalEntry
from pixy_data.content import spooled_files

BLOCKS = [os.urandom(300_000), b"", os.urandom(1_500_000)]
CONTENT = b"".join(BLOCKS)
LIMIT = 4 << 20


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "images", reserve=0)


def list_names(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [None, 10, len(CONTENT)])
def test_what_was_written_is_read_and_nothing_is_left(
    store: FileStore, tmp_path: Path, size: int | None
) -> None:
    with store.spool(size, LIMIT) as file:
        for block in BLOCKS:
            file.write(block)
        assert file.read() == CONTENT
        assert (file.size, file.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
        assert list_names(tmp_path) == []
    assert list_names(tmp_path) == []


def test_a_file_system_without_nameless_files_is_used_too(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(spooled_files.os, "O_TMPFILE")
    with store.spool(None, LIMIT) as file:
        file.write(CONTENT)
        assert list_names(tmp_path) == []
        assert file.read() == CONTENT


def test_a_file_over_its_limit_is_refused(store: FileStore) -> None:
    with store.spool(None, 10) as file:
        file.write(b"0123456789")
        with pytest.raises(FileTooLargeError):
            file.write(b"0")
        assert file.read() == b"0123456789"


@pytest.mark.parametrize("size", [None, LIMIT])
def test_a_disk_with_too_little_space_is_noticed_before_a_byte_comes(
    tmp_path: Path, size: int | None
) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    store = FileStore(tmp_path / "images", reserve=free + LIMIT)
    with pytest.raises(StorageUnavailableError):
        store.spool(size, LIMIT)
    assert list_names(tmp_path) == []


def test_bytes_that_nobody_announced_are_promised_until_the_file_is_closed(
    store: FileStore,
) -> None:
    with store.spool(None, LIMIT):
        assert store._space._promised == LIMIT
    assert store._space._promised == 0


def test_announced_bytes_are_allocated(store: FileStore) -> None:
    with store.spool(LIMIT, LIMIT) as file:
        if not file.is_allocated:
            pytest.skip("this file system can't reserve space")
        assert os.fstat(file.fileno()).st_blocks * 512 >= LIMIT


def test_a_killed_process_leaves_nothing(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from pixy_data import FileStore
file = FileStore(Path(sys.argv[1]), reserve=0).spool(None, 100)
file.write(b"half of it")
os.kill(os.getpid(), signal.SIGKILL)
"""
    folder = tmp_path / "images"
    ended = subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    assert ended.returncode < 0
    assert folder.is_dir()
    assert list_names(tmp_path) == []


def test_a_spooled_file_is_kept_like_an_image(store: FileStore, tmp_path: Path) -> None:
    detail = make_detail()
    with (
        store.spool(None, LIMIT) as file,
        store.reserve(detail.guid, 10) as reservation,
    ):
        file.write(CONTENT)
        stored = store.describe(detail.guid, "image/png", file)
        image = detail.model_copy(update=stored._asdict())
        entry = JournalEntry(
            image=image, owner="anna", class_key="red", created_at="2026-11-25T12:30:00Z"
        )
        reservation.keep(entry, file)
        # as after a failed fsync: everything is written again
        reservation._image.fill(file)
    store.publish(stored.filename)
    assert store.read(image) == CONTENT
    assert store.find_kept(detail.guid) == entry
