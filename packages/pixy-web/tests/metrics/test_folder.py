"""The folder in which workers count."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict

from pixy_core import ConfigurationError
from pixy_web.metrics.folder import check_library, join_folder, make_folder
from small_disk import SmallDisk

WITHOUT_LIBRARY = "import sys; sys.modules['prometheus_client'] = None"


def test_the_folder_is_for_this_user_only_and_can_be_removed_twice() -> None:
    folder = make_folder()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    (folder.path / "file").touch()
    folder.close()
    folder.close()
    assert not folder.path.exists()


def test_a_folder_is_kept_while_a_worker_counts_in_it() -> None:
    folder = make_folder()
    joining = "from pixy_web.metrics.folder import *; import sys; join_folder(Path(sys.argv[1]))"
    command = [sys.executable, "-c", f"{joining}; print('joined', flush=True); sys.stdin.read()"]
    with subprocess.Popen(
        [*command, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == b"joined\n"
        os.close(folder._lock)  # as if this process were killed
        make_folder().close()
        assert folder.path.exists()
        worker.communicate()
    make_folder().close()
    assert not folder.path.exists()


def test_a_worker_allocates_all_of_its_files_and_shows_no_other(tmp_path: Path) -> None:
    join_folder(tmp_path)
    files = sorted(tmp_path.iterdir())
    names = [f"{kind}_{os.getpid()}.db" for kind in ("counter", "gauge_livesum", "histogram")]
    assert [path.name for path in files] == names
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size > 0 for path in files)


def test_a_worker_with_the_process_id_of_a_dead_one_goes_on_from_its_counts() -> None:
    with closing(make_folder()) as folder:
        join_folder(folder.path)
        file = folder.path / f"counter_{os.getpid()}.db"
        allocated = file.stat().st_size
        write(file, 5.0)
        folder.note_death(os.getpid())
        assert file.stat().st_size < allocated
        join_folder(folder.path)
        assert file.stat().st_size == allocated
        with closing(MmapedDict(str(file))) as values:
            assert values.read_value("key") == (5.0, 0.0)


def write(file: Path, value: float) -> None:
    """Write a value as a worker does."""
    with closing(MmapedDict(str(file))) as values:
        values.write_value("key", value, 0.0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_worker_that_finds_no_room_leaves_no_empty_file(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "disk", 256 * 1024)
    try:
        with pytest.raises(OSError, match="No space left"):
            join_folder(disk.folder)
        assert all(path.stat().st_size > 0 for path in disk.folder.iterdir())
        assert list(disk.folder.glob("*.new")) == []
    finally:
        disk.remove()


def test_the_library_is_found() -> None:
    check_library()


def test_without_the_library_the_port_is_refused_with_the_line_to_type(tmp_path: Path) -> None:
    code = f"{WITHOUT_LIBRARY}\nfrom pixy_web.commands.entry import main\nmain()"
    told = run_without_library(tmp_path, code, "serve", "--port=0", PIXY_METRICS_PORT="9464")
    assert told.returncode == 2
    assert told.stderr.endswith(
        "pixy: PIXY_METRICS_PORT needs a library that is not installed: "
        "pip install 'pixy-web[metrics]'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_without_the_library_everything_else_works(tmp_path: Path) -> None:
    code = (
        f"{WITHOUT_LIBRARY}\n"
        "from pixy_web.commands.cli import commands\n"
        "from pixy_web.app import create_app; from pixy_web.settings import Settings\n"
        "commands(['db', 'upgrade'], standalone_mode=False)\n"
        "create_app(Settings.load())"
    )
    told = run_without_library(tmp_path, code)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("The database is up to date")


def run_without_library(
    folder: Path, code: str, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PIXY_GENERATOR": "sketch", **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_machine_without_a_temporary_folder_is_told_so(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, tempfile\n"
        "from pixy_web.metrics import folder\n"
        "folder._MEMORY = pathlib.Path('/absent'); tempfile.tempdir = '/absent'\n"
        "folder.make_folder()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PIXY_METRICS_PORT needs a temporary folder, and none can be made" in done.stderr
    assert ConfigurationError.__name__ in done.stderr


def test_a_folder_in_memory_that_can_not_be_made_is_made_among_temporary_files(
    tmp_path: Path,
) -> None:
    code = (
        "import pathlib\n"
        "from pixy_web.metrics import folder\n"
        # nobody can make a folder there, and root is told that it may write
        "folder._MEMORY = pathlib.Path('/proc')\n"
        "print(folder.make_folder().path.parent)"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == f"{tmp_path}\n"
