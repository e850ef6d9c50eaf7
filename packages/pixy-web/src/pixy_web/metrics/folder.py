"""The folder in which all workers count, and the library that reads and writes its files.

The files are those of prometheus-client's multiprocess mode: `TYPE_PID.db`. Their first
four bytes say how many bytes are in use. The tests run with the lowest version that is allowed,
0.22, and the newest one.
"""

import contextlib
import fcntl
import importlib.util
import logging
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pixy_core import ConfigurationError

logger = logging.getLogger(__name__)

PREFIX = "pixy-metrics-"

_MEMORY = Path("/dev/shm")  # noqa: S108 - each folder in it has a name of its own, and mode 0700

_SIZES = {"counter": 64 * 1024, "gauge_livesum": 64 * 1024, "histogram": 1024 * 1024}
"""Bytes that a worker allocates for each type: more than 250 combinations of labels."""

_TRIES = 3
_USED = struct.Struct("i")


def check_library() -> None:
    """Return if the library for metrics is installed; it is not imported.

    Raises:
        ConfigurationError: It is not.
    """
    if importlib.util.find_spec("prometheus_client") is None:
        raise ConfigurationError(
            "PIXY_METRICS_PORT needs a library that is not installed: "
            "pip install 'pixy-web[metrics]'"
        )


class MetricsFolder:
    """A private folder that this process has made, and removes.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _lock(path)
        # another process may have taken it for an abandoned one before it was locked
        path.stat()

    def note_death(self, pid: int) -> None:
        """Forget what a dead worker was doing; what it has counted stays.

        Args:
            pid: Its process id.
        """
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - an extra

        try:
            mark_process_dead(pid, str(self.path))  # type: ignore[no-untyped-call]
            for file in self.path.glob(f"*_{pid}.db"):
                _shrink(file)
        except OSError as error:
            logger.warning("the metrics of worker %d stay as they are: %s", pid, error)

    def close(self) -> None:
        """Remove the folder; safe to call twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self._lock)


def make_folder() -> MetricsFolder:
    """Make the folder, and remove those of processes that were killed.

    It is in memory if that is possible: a page that waits for a disk would stop the event loop.

    Raises:
        ConfigurationError: It can't be made.
    """
    with contextlib.suppress(OSError):
        return _make_in(_MEMORY)
    try:
        return _make_in(Path(tempfile.gettempdir()))
    except OSError as error:
        raise ConfigurationError(
            f"PIXY_METRICS_PORT needs a temporary folder, and none can be made: {error.strerror}; "
            "set TMPDIR to a folder that this process may write to"
        ) from error


def _make_in(parent: Path) -> MetricsFolder:
    for abandoned in _list_abandoned(parent):
        shutil.rmtree(abandoned, ignore_errors=True)
    for _ in range(_TRIES - 1):
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            return _make(parent)
    return _make(parent)


def _make(parent: Path) -> MetricsFolder:
    return MetricsFolder(Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)))


def join_folder(path: Path) -> None:
    """Allocate the files of this process, and keep the folder while this process lives.

    Without that, a full disk would kill the process when it counts: a page of a file could not be
    written.

    Raises:
        OSError: There is no room, or no folder.
    """
    _lock(path)
    for kind, size in _SIZES.items():
        file = path / f"{kind}_{os.getpid()}.db"
        if file.exists():
            # a dead worker had the same process id, and its counts stay
            with file.open("r+b") as opened:
                os.posix_fallocate(opened.fileno(), 0, size)
            continue
        # readers take every file whose name ends so, and can't read an empty one
        new = file.with_suffix(".new")
        try:
            with new.open("wb") as opened:
                os.posix_fallocate(opened.fileno(), 0, size)
            new.rename(file)
        finally:
            new.unlink(missing_ok=True)


def _lock(path: Path) -> int:
    """Return a descriptor that shows other processes that the folder is in use."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return descriptor


def _list_abandoned(parent: Path) -> Iterator[Path]:
    """Return this user's folders that no process uses any more."""
    for path in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.lstat().st_uid != os.geteuid():
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield path
            finally:
                os.close(descriptor)


def _shrink(file: Path) -> None:
    """Give back what a dead worker had allocated and not used."""
    with file.open("rb") as opened:
        (used,) = _USED.unpack(opened.read(_USED.size))
    os.truncate(file, max(used, _USED.size))
