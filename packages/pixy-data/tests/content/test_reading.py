"""The contract of an open file: its bytes, what happens to it meanwhile, and its descriptor."""

import errno
import os
from pathlib import Path

import pytest

from image_samples import make_detail
from pixy_core import ContentDamagedError, ImageDetail
from pixy_data import ContentStore
from stored_images import stage_image

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "images", reserve=0)


@pytest.fixture
def image(store: ContentStore) -> ImageDetail:
    detail = make_detail()
    stored = stage_image(store, detail.guid, CONTENT)
    store.publish(stored.filename)
    return detail.model_copy(update=stored._asdict())


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_parts_are_read_in_any_order(store: ContentStore, image: ImageDetail) -> None:
    with store.open(image, range(0)) as file:
        assert file.size == len(CONTENT)
        assert file.read(1000, 2000) == CONTENT[1000:2000]
        assert file.read(10) == CONTENT[10:]
        assert file.read() == CONTENT
        assert os.pread(file.fileno(), 10, 5) == CONTENT[5:15]


def test_a_file_that_is_deleted_stays_what_it_was(store: ContentStore, image: ImageDetail) -> None:
    with store.open(image, range(0)) as file:
        store.delete(image.filename)
        assert file.is_unchanged()
        assert file.read() == CONTENT


@pytest.mark.parametrize("size", [10, len(CONTENT), len(CONTENT) + 1])
def test_a_file_that_is_written_to_is_damaged(
    store: ContentStore, image: ImageDetail, size: int
) -> None:
    with store.open(image, range(0)) as file:
        store.locate(image.filename).write_bytes(b"x" * size)
        assert not file.is_unchanged()
        with pytest.raises(ContentDamagedError):
            file.read()


def test_it_is_loaded_so_that_nobody_waits_for_the_disk(
    store: ContentStore, image: ImageDetail
) -> None:
    store.read(image)
    descriptor = os.open(store.locate(image.filename), os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        with store.open(image, range(len(CONTENT))):
            # what would wait for the disk fails
            loaded = os.preadv(descriptor, [bytearray(len(CONTENT))], 0, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip("this file system doesn't tell what is in memory")
    finally:
        os.close(descriptor)
    assert loaded == len(CONTENT)


def test_closing_is_final_and_may_be_repeated(store: ContentStore, image: ImageDetail) -> None:
    before = count_descriptors()
    file = store.open(image, range(0))
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.fileno()
    # the store keeps the one that it loads with
    assert count_descriptors() <= before + 1


def test_a_file_that_nobody_has_any_more_is_closed(store: ContentStore, image: ImageDetail) -> None:
    store.open(image, range(0)).close()
    before = count_descriptors()
    file = store.open(image, range(0))
    del file
    store.locate(image.filename).write_bytes(b"damaged")
    for _ in range(3):
        with pytest.raises(ContentDamagedError):
            store.open(image, range(0))
    assert count_descriptors() == before
