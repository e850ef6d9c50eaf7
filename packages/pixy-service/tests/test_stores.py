"""The probe that tests whether an image could be stored."""

from pathlib import Path

import pytest

from pixy_core import StorageUnavailableError
from pixy_service.stores import ImageStores, StorageProbe


def test_a_probe_leaves_no_file(stores: ImageStores, tmp_path: Path) -> None:
    StorageProbe(stores).check()
    assert (tmp_path / "journal").is_dir()
    files = [path.name for path in (tmp_path / "images").rglob("*") if path.is_file()]
    assert files == [".store"]
    assert list((tmp_path / "journal").iterdir()) == []


@pytest.mark.parametrize("place", ["images/.staging", "journal"])
def test_a_folder_that_can_not_be_written_fails_every_probe(
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


def test_a_missing_folder_fails_the_next_probe(stores: ImageStores, tmp_path: Path) -> None:
    probe = StorageProbe(stores)
    probe.check()
    (tmp_path / "images").rename(tmp_path / "away")
    with pytest.raises(StorageUnavailableError):
        probe.check()
