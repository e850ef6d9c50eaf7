"""Tells how far a long command is, if somebody watches."""

import sys
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import click

T = TypeVar("T")

_PAUSE = 2.0
"""Seconds between two lines."""


class Progress(Generic[T]):
    """Prints a line on standard error from time to time, if that is a terminal.

    Args:
        describe: Returns the line for what was done so far.
    """

    def __init__(self, describe: Callable[[T], str]) -> None:
        self._describe = describe
        self._is_watched = sys.stderr.isatty()
        self._next = time.monotonic() + _PAUSE

    def tell(self, work: T) -> None:
        """Print a line, unless the last one was printed moments ago."""
        if self._is_watched and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PAUSE
            click.echo(self._describe(work), err=True)
