"""Threads that the application owns, and the one hop from the event loop into them."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """A fixed number of threads for one kind of work.

    Args:
        size: How many threads there are.
        name: What they are called in a debugger or profiler.
    """

    def __init__(self, size: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run `function` in one of the threads, with the caller's context variables.

        Raises:
            BaseException: Whatever the function raises.
        """
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, context.run, function, *arguments)

    def close(self) -> None:
        """Wait for what runs, then end the threads."""
        self._executor.shutdown(wait=True)
