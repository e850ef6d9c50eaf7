"""The contract of an open file: its bytes, what happens to it meanwhile, and its descriptor."""

import os
from pathlib import Path

import pytest

from image_samples import make_detail
from pixy_core import ContentDamagedError, ImageDetail
from pixy_data import FileStore
from pixy_data.content.files.reading import DiskFile
from stored_images import stage_image

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "images", reserve=0)


@pytest.fixture
def image(store: FileStore) -> ImageDetail:
    detail = make_detail()
    stored = stage_image(store, detail.guid, CONTENT)
    store.publish(stored.filename)
    return detail.model_copy(update=stored._asdict())


def open_file(store: FileStore, image: ImageDetail) -> DiskFile:
    file, _ = store.open(image, range(0))
    return file


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_parts_are_read_in_any_order(store: FileStore, image: ImageDetail) -> None:
    with open_file(store, image) as file:
        assert file.size == len(CONTENT)
        assert file.read(1000, 2000) == CONTENT[1000:2000]
        assert file.read(10) == CONTENT[10:]
        assert file.read() == CONTENT
        assert os.pread(file.fileno(), 10, 5) == CONTENT[5:15]


def test_a_file_that_is_deleted_stays_what_it_was(store: FileStore, image: ImageDetail) -> None:
    with open_file(store, image) as file:
        store.delete(image.filename)
        assert file.is_unchanged()
        assert file.read() == CONTENT


@pytest.mark.parametrize("size", [10, len(CONTENT), len(CONTENT) + 1])
def test_a_file_that_is_written_to_is_damaged(
    store: FileStore, image: ImageDetail, size: int
) -> None:
    with open_file(store, image) as file:
        store.locate(image.filename).write_bytes(b"x" * size)
        assert not file.is_unchanged()
        with pytest.raises(ContentDamagedError):
            file.read()


def test_the_first_bytes_come_with_the_file(store: FileStore, image: ImageDetail) -> None:
    file, first = store.open(image, range(10, 2000))
    file.close()
    assert first == CONTENT[10:2000]


def test_closing_is_final_and_may_be_repeated(store: FileStore, image: ImageDetail) -> None:
    before = count_descriptors()
    file = open_file(store, image)
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.fileno()
    assert count_descriptors() == before


def test_a_file_that_nobody_has_any_more_is_closed(store: FileStore, image: ImageDetail) -> None:
    open_file(store, image).close()
    before = count_descriptors()
    file = open_file(store, image)
    del file
    store.locate(image.filename).write_bytes(b"damaged")
    for _ in range(3):
        with pytest.raises(ContentDamagedError):
            open_file(store, image)
    assert count_descriptors() == before
