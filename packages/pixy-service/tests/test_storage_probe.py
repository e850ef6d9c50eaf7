"""Whether an image could be stored: tried for real, and seldom."""

from pathlib import Path

import pytest

from pixy_core import StorageUnavailableError
from pixy_service.storage_probe import StorageProbe
from pixy_service.stores import ImageStores


def test_a_try_leaves_nothing(stores: ImageStores, tmp_path: Path) -> None:
    StorageProbe(stores).check()
    assert (tmp_path / "journal").is_dir()
    files = [path.name for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert files == [".store"]
    assert list((tmp_path / "journal").iterdir()) == []


@pytest.mark.parametrize("place", ["images/.staging", "journal"])
def test_a_folder_in_which_no_file_can_be_made_is_told_each_time(
    stores: ImageStores, tmp_path: Path, place: str
) -> None:
    folder = tmp_path / place
    folder.write_bytes(b"")
    probe = StorageProbe(stores)
    for _ in range(2):
        with pytest.raises(StorageUnavailableError):
            probe.check()
    folder.unlink()
    probe.check()


def test_a_folder_that_is_gone_is_told_at_once(stores: ImageStores, tmp_path: Path) -> None:
    probe = StorageProbe(stores)
    probe.check()
    (tmp_path / "images").rename(tmp_path / "away")
    with pytest.raises(StorageUnavailableError):
        probe.check()
