"""The cache of thumbnails: kept under the stamp of their originals, and gone without harm."""

import logging
import os
from pathlib import Path

import pytest

from pixy_data import ThumbnailName, ThumbnailStore
from pixy_data.content.files.thumbnails import ThumbnailFiles, stamp_file

GUID = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b11"
OTHER = "0f8f1a52-4c0b-4c7e-9a53-0a4a3f1d2b12"
NAME = ThumbnailName(GUID, 160, "image/webp", 1)
STAMP = 1_790_000_000_123_456_789


@pytest.fixture
def store(tmp_path: Path) -> ThumbnailStore:
    return ThumbnailFiles(tmp_path / "thumbnails", reserve=0)


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_what_was_written_is_found_under_its_stamp_only(store: ThumbnailStore) -> None:
    assert store.find(NAME, STAMP) is None
    store.write(NAME, b"small", STAMP)
    assert store.find(NAME, STAMP) == b"small"
    assert store.find(NAME, STAMP + 1) is None
    for other in (
        NAME._replace(guid=OTHER),
        NAME._replace(width=320),
        NAME._replace(media_type="image/avif"),
        NAME._replace(version=2),
    ):
        assert store.find(other, STAMP) is None


def test_a_renewed_one_is_found_under_the_new_stamp(store: ThumbnailStore) -> None:
    assert store.renew(NAME, STAMP) is None
    store.write(NAME, b"small", STAMP)
    assert store.renew(NAME, STAMP + 1) == b"small"
    assert store.find(NAME, STAMP + 1) == b"small"
    assert store.find(NAME, STAMP) is None


def test_files_are_for_their_owner_alone_and_nothing_else_is_left(
    store: ThumbnailStore, tmp_path: Path
) -> None:
    store.write(NAME, b"small", STAMP)
    path = tmp_path / "thumbnails" / "0f" / f"{GUID}.160.1.webp"
    assert list_files(tmp_path) == [path.name]
    assert [oct(p.stat().st_mode & 0o777) for p in (path, path.parent, path.parent.parent)] == [
        *("0o600", "0o700", "0o700")
    ]


def test_deleting_removes_all_of_one_image(store: ThumbnailStore, tmp_path: Path) -> None:
    for guid in (GUID, OTHER):
        for width in (160, 320):
            for media_type in ("image/webp", "image/avif"):
                store.write(ThumbnailName(guid, width, media_type, 1), b"small", STAMP)
    store.delete(GUID)
    assert list_files(tmp_path) == [
        f"{OTHER}.{size}" for size in ("160.1.avif", "160.1.webp", "320.1.avif", "320.1.webp")
    ]
    store.delete(GUID)


def test_a_new_version_replaces_the_older_ones_of_the_same_width_and_type(
    store: ThumbnailStore, tmp_path: Path
) -> None:
    kept = [NAME._replace(width=1280), NAME._replace(media_type="image/avif")]
    for name in (NAME, *kept):
        store.write(name, b"older", STAMP)
    (tmp_path / "thumbnails" / "0f" / f"{GUID}.160.webp").write_bytes(b"without a version")
    store.write(NAME._replace(version=2), b"newer", STAMP)
    assert store.find(NAME._replace(version=2), STAMP) == b"newer"
    assert list_files(tmp_path) == [
        f"{GUID}.{rest}" for rest in ("1280.1.webp", "160.1.avif", "160.2.webp")
    ]


def test_without_room_nothing_is_kept(tmp_path: Path) -> None:
    store = ThumbnailFiles(tmp_path / "thumbnails", reserve=1 << 60)
    store.write(NAME, b"small", STAMP)
    assert store.find(NAME, STAMP) is None
    assert list_files(tmp_path) == []


def test_a_folder_that_cant_be_written_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    store = ThumbnailFiles(tmp_path / "file" / "thumbnails", reserve=0)
    store.write(NAME, b"small", STAMP)
    assert store.find(NAME, STAMP) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert GUID in caplog.text


def test_a_link_is_not_followed(store: ThumbnailStore, tmp_path: Path) -> None:
    store.write(NAME, b"small", STAMP)
    path = tmp_path / "thumbnails" / "0f" / f"{GUID}.160.1.webp"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert store.find(NAME, STAMP) is None
    assert store.renew(NAME, STAMP) is None


def test_a_stamp_changes_with_content_time_and_links(tmp_path: Path) -> None:
    path = tmp_path / "original"
    assert stamp_file(path) is None
    path.write_bytes(b"one")
    status, before = path.stat(), stamp_file(path)
    path.write_bytes(b"two")
    # whoever sets the times back can't set that of the inode back
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert stamp_file(path) != before
    (tmp_path / "link").symlink_to(path)
    assert stamp_file(tmp_path / "link") is None
    assert stamp_file(tmp_path) is None
