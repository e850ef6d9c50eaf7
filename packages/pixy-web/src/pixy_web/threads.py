"""Threads that the application owns, and the one hop from the event loop into them."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pixy_core import PixyProxyException

T = TypeVar("T")


class ThreadsBusyError(PixyProxyException):
    """Too many calls wait for these threads already."""

    message = "Too many requests of this kind are waiting"


class Threads:
    """A fixed number of threads for one kind of work.

    Args:
        size: How many threads there are.
        name: What they are called in a debugger or profiler.
        limit: Calls that may run or wait at once; None for any number.
    """

    def __init__(self, size: int, name: str, limit: int | None = None) -> None:
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._limit = limit
        self._unfinished = 0

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run `function` in one of the threads, with the caller's context variables.

        Raises:
            ThreadsBusyError: The limit is reached.
            BaseException: Whatever the function raises.
        """
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        if self._limit is not None and self._unfinished >= self._limit:
            raise ThreadsBusyError
        # counted here, where only the event loop counts, before anything is awaited
        self._unfinished += 1
        try:
            return await loop.run_in_executor(self._executor, context.run, function, *arguments)
        finally:
            self._unfinished -= 1

    def close(self) -> None:
        """Wait for what runs, then end the threads."""
        self._executor.shutdown(wait=True)
