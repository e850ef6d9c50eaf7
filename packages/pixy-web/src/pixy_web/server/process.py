"""Settings of a process that serves this application and does nothing else."""

import ctypes
import gc
import multiprocessing
import os
import resource
import signal
import sys
import threading
from types import FrameType

from pixy_core import ConfigurationError
from pixy_core.images import MAX_SOURCES

# <malloc.h> of glibc
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MIB = 1024 * 1024

_PER_CONNECTION = 3
"""Descriptors for a slow download: its connection, a duplicate to wait on, and its file."""

_PER_IMAGE = 8 + MAX_SOURCES + 1
"""For an image that is being made: event loop, provider, database, files and folders; and for the
files that it is made from, with a mask."""

_PER_UPLOAD = 2
"""For an upload: its spooled file, and what it becomes."""

_PER_THREAD = 8
"""For a thread for lists and one for files: a database connection each, three files on SQLite."""

_OTHERS = 90
"""For other threads, listening sockets, event loop, log and recovery."""


def share_memory_among_threads() -> None:
    """Make all threads use one malloc arena, and return its free end to the system.

    By default glibc gives each thread its own arena, and each arena kept memory of images that had
    passed through: 130 MiB more after fifteen creates. Sharing costs little, because threads
    allocate under Python's global lock. Without glibc this does nothing.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_ARENA_MAX, 1)
        set_option(_M_TRIM_THRESHOLD, 4 * _MIB)
        # above the threshold, each image would get new pages, which the kernel clears
        set_option(_M_MMAP_THRESHOLD, 32 * _MIB)


def collect_garbage_rarely() -> None:
    """Exclude the objects that exist now from garbage collections, and collect less often.

    By default the interpreter runs a full collection after about 70,000 new objects. With 200
    waiting creates each took 60 ms, several times a second, and no request was answered meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 100)


def allow_many_descriptors() -> None:
    """Raise this process's limit of open files to the most that its user may have.

    A download to a slow reader takes three, and the usual limit of 1,024 exists for programs that
    use select(2). Systems other than Linux may refuse the limit that they report.
    """
    if sys.platform != "linux":
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def outlive_signals() -> None:
    """Make SIGHUP and SIGQUIT stop this process as SIGTERM does; ignore SIGUSR1 and SIGUSR2.

    By default each of them kills the process at once, with the images that are being made. A signal
    that already has a handler keeps it: nohup(1) ignores SIGHUP.
    """
    for number, handler in (
        (signal.SIGHUP, _stop),
        (signal.SIGQUIT, _stop),
        (signal.SIGUSR1, signal.SIG_IGN),
        (signal.SIGUSR2, signal.SIG_IGN),
    ):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handler)


def end_with_parent() -> None:
    """Stop this worker as SIGTERM does, once the process that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_stop_after, args=(parent,), daemon=True).start()


def _stop_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)


def count_connections(images: int, threads: int, uploads: int) -> int:
    """Return the number of connections that leaves enough descriptors for everything else.

    Args:
        images: Maximum number of images that are made at once.
        threads: Threads for reads and small writes.
        uploads: Maximum number of uploads that are received at once.

    Raises:
        ConfigurationError: It is smaller than these images and one read need.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    reserved = _OTHERS + _PER_IMAGE * images + _PER_THREAD * threads + _PER_UPLOAD * uploads
    needed = reserved + _PER_CONNECTION * (images + 1)
    if limit < needed:
        raise ConfigurationError(
            f"A process may have {limit} open files (ulimit -n), and needs {needed}: raise that "
            "limit, or lower PIXY_GENERATION_CONCURRENCY, PIXY_THREADS or PIXY_MAX_UPLOADS"
        )
    return (limit - reserved) // _PER_CONNECTION
