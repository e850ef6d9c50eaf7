"""Threads that the application owns, and the one hop from the event loop into them."""

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from pixy_core import PixyProxyException

T = TypeVar("T")


class ThreadsBusyError(PixyProxyException):
    """Too many calls wait for these threads already."""

    message = "Too many requests of this kind are waiting"


class ThumbnailsBusyError(ThreadsBusyError):
    """Too many thumbnails wait to be made."""


class _Call(NamedTuple):
    future: asyncio.Future[Any]
    context: contextvars.Context
    function: Callable[..., Any]
    arguments: tuple[object, ...]

    def run(self) -> "_Outcome":
        try:
            return _Outcome(self.future, self.context.run(self.function, *self.arguments), None)
        except BaseException as error:  # noqa: BLE001 - raised where the call is awaited
            return _Outcome(self.future, None, error)


class _Outcome(NamedTuple):
    future: asyncio.Future[Any]
    result: object
    error: BaseException | None

    def deliver(self) -> None:
        if self.future.done():  # whoever awaited it was cancelled
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Threads:
    """A fixed number of threads for one kind of work.

    A hop into them costs a third of one through `loop.run_in_executor`: its result travels
    in one future instead of two, and results that are there together wake the loop once.

    Args:
        size: How many threads there are.
        name: What they are called in a debugger or profiler.
        limit: Calls that may run or wait at once; None for any number.
    """

    def __init__(self, size: int, name: str, limit: int | None = None) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._outcomes: deque[_Outcome] = deque()
        self._delivering = False
        self._limit = limit
        self._unfinished = 0
        # daemons: a server that is told twice to stop doesn't close what it has opened
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True)
            for number in range(size)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run `function` in one of the threads, with the caller's context variables.

        Raises:
            ThreadsBusyError: The limit is reached.
            BaseException: Whatever the function raises.
        """
        if self._limit is not None and self._unfinished >= self._limit:
            raise ThreadsBusyError
        # counted here, where only the event loop counts, before anything is awaited
        self._unfinished += 1
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put(_Call(future, contextvars.copy_context(), function, arguments))
        return await future

    def close(self) -> None:
        """Wait for what runs, then end the threads."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            loop = call.future.get_loop()
            self._outcomes.append(call.run())
            del call  # an idle thread must not keep an image in memory
            # the flag is read after the outcome is there, and cleared before outcomes are taken
            if not self._delivering:
                self._delivering = True
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._delivering = False
        while self._outcomes:
            self._unfinished -= 1
            self._outcomes.popleft().deliver()
