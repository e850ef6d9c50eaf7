"""The entry point of the command `pixy`: Ctrl-C ends it quietly during imports.

Imports take a second or two. Python also imports this module first in each worker.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
"""The exit code of shells for Ctrl-C."""


def main() -> None:
    """Run the command `pixy`."""
    open_missing_streams()
    with leaving_at_interrupt():
        from pixy_web.commands import cli
    cli.main()


def open_missing_streams() -> None:
    """Open /dev/null for each standard stream that is closed, here and in workers.

    Otherwise a file or a connection would get its descriptor, and the log would have no stream.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


@contextmanager
def leaving_at_interrupt() -> Iterator[None]:
    """End the process at Ctrl-C, without the traceback of an import."""
    before = signal.getsignal(signal.SIGINT)
    # shells make background commands ignore it
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


if "__mp_main__" in sys.modules:
    # this is a worker. A terminal sends Ctrl-C to it, too, but its parent tells it to stop, and
    # uvicorn sets a handler of its own once it runs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # the parent blocked it until here
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
