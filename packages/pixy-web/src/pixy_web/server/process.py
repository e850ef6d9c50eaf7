"""What is set for a whole process that serves this application and does nothing else."""

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

# <malloc.h> of glibc
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MIB = 1024 * 1024

_PER_CONNECTION = 3
"""Descriptors of a slow download: its connection, a copy of that to wait for, and its file."""

_PER_IMAGE = 8
"""Of an image in the making: an event loop, the provider, the database, a file and its folder."""

_PER_THREAD = 8
"""Of a thread for lists and one for files: two database connections, of three files on SQLite."""

_OTHERS = 90
"""Of other threads, listening sockets, event loop, log and recovery."""


def share_memory_among_threads() -> None:
    """Let all threads take memory from one place, and give back what is free at its end.

    By itself glibc gives each thread a place of its own, and each kept megabytes of the images
    that had passed through: 130 MiB more after fifteen creates. Python's own lock keeps threads
    from meeting there. Without glibc it does nothing.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_ARENA_MAX, 1)
        set_option(_M_TRIM_THRESHOLD, 4 * _MIB)
        # an image above the threshold would have its pages made and cleared each time
        set_option(_M_MMAP_THRESHOLD, 32 * _MIB)


def collect_garbage_rarely() -> None:
    """Leave what stays as long as the process out of collections, and collect less often.

    By itself the interpreter looks at all that isn't left out each 70,000 objects, since it
    compares with what it has looked at before: with 200 creates waiting that took 60 ms, some
    times a second, in which nobody was answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 100)


def allow_many_descriptors() -> None:
    """Allow this process as many open files and connections as its user may have.

    A download that its reader keeps waiting has three, and the usual limit of 1,024 is there for
    programs that use select(2). Elsewhere than on Linux, the system says no to what it has allowed.
    """
    if sys.platform != "linux":
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def outlive_signals() -> None:
    """Let SIGHUP and SIGQUIT stop this process as SIGTERM does, and SIGUSR1 and SIGUSR2 do nothing.

    By default each ends a process at once, with the images that it makes. What a signal already
    does otherwise stays: nohup(1) has SIGHUP ignored.
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
    """Let this worker stop as SIGTERM makes it, once the process that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_stop_after, args=(parent,), daemon=True).start()


def _stop_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _stop(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)


def count_connections(images: int, threads: int) -> int:
    """Return how many connections leave enough descriptors to everything else.

    Args:
        images: Images that may be in the making at once.
        threads: Threads for reads and small writes.

    Raises:
        ConfigurationError: There would be fewer than these images and one read need.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    reserved = _OTHERS + _PER_IMAGE * images + _PER_THREAD * threads
    needed = reserved + _PER_CONNECTION * (images + 1)
    if limit < needed:
        raise ConfigurationError(
            f"A process may have {limit} open files (ulimit -n), and needs {needed}: raise that "
            "limit, or lower PIXY_GENERATION_CONCURRENCY or PIXY_THREADS"
        )
    return (limit - reserved) // _PER_CONNECTION
