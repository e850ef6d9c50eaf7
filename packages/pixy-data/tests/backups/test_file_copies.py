"""Durable copies of single files."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pixy_core import BackupError
from pixy_data import FileCopier

CONTENT = os.urandom(3 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "copies" / "copy"


def copy(source: Path, target: Path, **expected: int | str) -> str | None:
    copier = FileCopier()
    outcome = copier.copy(source, target, **expected)  # type: ignore[arg-type]
    copier.sync()
    assert copier.bytes == (target.stat().st_size if copier.files else 0)
    return outcome


def test_a_copy_is_a_file_of_its_own(source: Path, target: Path) -> None:
    assert copy(source, target, size=len(CONTENT), sha256=SHA256) is None
    assert target.read_bytes() == CONTENT
    assert (target.stat().st_mode & 0o777, target.stat().st_nlink) == (0o600, 1)
    assert target.parent.stat().st_mode & 0o777 == 0o700


def test_of_a_longer_file_its_beginning_is_copied(source: Path, target: Path) -> None:
    # space may have been reserved for it
    with source.open("ab") as file:
        file.write(bytes(1000))
    assert copy(source, target, size=len(CONTENT), sha256=SHA256) is None
    assert target.read_bytes() == CONTENT


def test_a_copy_of_the_right_size_is_left_as_it_is(source: Path, target: Path) -> None:
    copy(source, target)
    inode = target.stat().st_ino
    assert copy(source, target, size=len(CONTENT), sha256=SHA256) is None
    assert target.stat().st_ino == inode


@pytest.mark.parametrize(
    ("damage", "outcome"),
    [
        (Path.unlink, "missing"),
        (lambda path: os.truncate(path, 100), "corrupt"),
        (lambda path: path.write_bytes(CONTENT[:-1] + b"?"), "corrupt"),
        (lambda path: (path.unlink(), path.mkdir()), "corrupt"),
        (lambda path: (path.rename(f"{path}.x"), path.symlink_to(f"{path}.x")), "corrupt"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "corrupt"),
    ],
    ids=["missing", "short", "changed", "folder", "link", "pipe"],
)
def test_what_is_not_the_file_leaves_no_copy(
    source: Path, target: Path, damage: Callable[[Path], object], outcome: str
) -> None:
    damage(source)
    assert copy(source, target, size=len(CONTENT), sha256=SHA256) == outcome
    assert list(target.parent.glob("*")) == []


def test_a_place_that_can_not_be_written_is_told(source: Path, target: Path) -> None:
    target.parent.touch()
    with pytest.raises(BackupError, match="can't be written"):
        copy(source, target)
