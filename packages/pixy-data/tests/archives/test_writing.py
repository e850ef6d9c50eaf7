"""Files that get their names when they are complete."""

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from archive_samples import ANN, HEAD, make_line
from pixy_core import ArchiveError
from pixy_data import ArchiveWriter, open_new_archive


def test_a_file_gets_its_name_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.zst"
    with open_new_archive(path) as file:
        file.write(b"content")
        assert [each.name for each in tmp_path.iterdir()] == ["x.tar.zst.partial"]
    assert [each.name for each in tmp_path.iterdir()] == ["x.tar.zst"]
    assert path.read_bytes() == b"content"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_new_archive(tmp_path / "x") as file:
        file.write(b"content")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_has_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.partial").write_bytes(b"more than the new content")
    with open_new_archive(tmp_path / "x") as file:
        file.write(b"new")
    assert (tmp_path / "x").read_bytes() == b"new"


def test_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"an older archive")
    with pytest.raises(ArchiveError, match="exists"), open_new_archive(tmp_path / "x"):
        pass
    with pytest.raises(ArchiveError, match="exists"), open_new_archive(tmp_path / "y") as file:
        file.write(b"new")
        (tmp_path / "y").write_bytes(b"another's")
    assert (tmp_path / "x").read_bytes() == b"an older archive"
    assert (tmp_path / "y").read_bytes() == b"another's"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"important")
    (tmp_path / "x.partial").symlink_to(tmp_path / "target")
    with pytest.raises(ArchiveError), open_new_archive(tmp_path / "x"):
        pass
    assert (tmp_path / "target").read_bytes() == b"important"


def test_two_processes_do_not_write_one_archive(tmp_path: Path) -> None:
    with open_new_archive(tmp_path / "x") as file:
        file.write(b"first")
        file.flush()
        with pytest.raises(ArchiveError, match="Another process"), open_new_archive(tmp_path / "x"):
            pass
    assert (tmp_path / "x").read_bytes() == b"first"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="can't be written"), open_new_archive(tmp_path / "a/b"):
        pass


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_path_without_a_name_is_told(path: str) -> None:
    with pytest.raises(ArchiveError, match="not the name of a file"), open_new_archive(Path(path)):
        pass


def test_a_pipe_whose_reader_has_gone_is_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with (
        os.fdopen(writing, "wb", buffering=0) as pipe,
        pytest.raises(ArchiveError, match="Broken pipe"),
        ArchiveWriter(pipe, HEAD) as writer,
    ):
        writer.add_user(ANN)
        writer.finish()


def test_a_full_disk_is_told() -> None:
    with (
        Path("/dev/full").open("wb", buffering=0) as file,
        pytest.raises(ArchiveError, match="No space left"),
        ArchiveWriter(file, HEAD) as writer,
    ):
        writer.add_user(ANN)
        writer.finish()


def export_on_a_full_disk(path: Path, limit: int) -> str:
    """Write an archive in a process whose files have a maximum length; return what stopped it."""
    program = f"""
import os, resource, sys
from pathlib import Path
sys.path[:0] = {sys.path!r}
from archive_samples import ANN, HEAD, make_line
from pixy_data import ArchiveWriter, open_new_archive
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    with open_new_archive(Path({str(path)!r})) as file, ArchiveWriter(file, HEAD) as writer:
        writer.add_user(ANN)
        for number in range(50):
            content = os.urandom(300)
            writer.add_image(make_line(number, content), content)
        writer.finish()
except Exception as error:
    print(type(error).__name__, error)
"""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.mark.parametrize("limit", [1, 4096, 10_000])
def test_a_disk_that_fills_up_is_told_and_nothing_is_left(tmp_path: Path, limit: int) -> None:
    # the file is buffered: closing it tries to write the rest again
    told = export_on_a_full_disk(tmp_path / "x", limit)
    assert told == "ArchiveError The archive can't be written: File too large\n"
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_is_too_long_is_refused_before_anything_of_it_is_written() -> None:
    file = io.BytesIO()
    with ArchiveWriter(file, HEAD) as writer:
        line = make_line(1, b"x")
        purchase = line.purchase.model_copy(update={"usage": {"x": "y" * 2**20}})
        with pytest.raises(ValueError, match="too long"):
            writer.add_image(line.model_copy(update={"purchase": purchase}), b"x")
        writer.add_user(ANN)
        writer.add_image(line, b"x")
        writer.finish()
    assert (writer.users, writer.images, writer.bytes) == (1, 1, 1)
