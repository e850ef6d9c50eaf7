"""Where the command `pixy` begins: Ctrl-C ends it quietly while the rest is being imported.

That takes a second or two. Python imports this module in each worker, too, before anything else.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
"""The exit code that shells know for Ctrl-C."""


def main() -> None:
    """Run the command `pixy`."""
    with leaving_at_interrupt():
        from pixy_web import cli  # noqa: PLC0415 - that is what takes a second
    cli.main()


@contextmanager
def leaving_at_interrupt() -> Iterator[None]:
    """End the process at Ctrl-C: for imports, which turn an exception into a long traceback."""
    before = signal.getsignal(signal.SIGINT)
    # shells let a command in the background ignore it
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


if "__mp_main__" in sys.modules:
    # this is a worker. A terminal sends Ctrl-C to it, too; its parent tells it to stop, and
    # uvicorn sets a handler of its own once it runs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # the parent has blocked it until here
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
