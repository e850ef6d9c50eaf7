"""Threads that the application owns, and the one hop from the event loop into them."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from pixy_core import PixyProxyException
from pixy_service.scheduling import Call, WaitingCalls

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that a call may wait for a thread."""


class ThreadsBusyError(PixyProxyException):
    """Too many calls wait for these threads already, or this one has waited too long."""

    message = "Too many requests of this kind are waiting"


class SignInBusyError(ThreadsBusyError):
    """Too many passwords wait to be checked."""


class ThumbnailsBusyError(ThreadsBusyError):
    """Too many thumbnails wait to be made."""


class _Outcome(NamedTuple):
    future: asyncio.Future[Any]
    result: object
    error: BaseException | None

    def deliver(self) -> None:
        if self.future.done():  # its task was cancelled, or it had waited too long
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
        limit: Calls that may run or wait at once.
        patience: Seconds that a call may wait for a thread.
        refusal: Raised for a call over the limit, or one that has waited too long.
        check: Called in the context of a call that had to wait, before it runs; what it raises
            is raised where the call is awaited.
    """

    def __init__(
        self,
        size: int,
        name: str,
        limit: int = 256,
        *,
        patience: float = PATIENCE,
        refusal: type[ThreadsBusyError] = ThreadsBusyError,
        check: Callable[[], None] | None = None,
    ) -> None:
        self.size = size
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._waiting = WaitingCalls(patience, refusal)
        self._outcomes: deque[_Outcome] = deque()
        self._delivering = False
        self._limit = limit
        self._refusal = refusal
        self._check = check
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

        A call whose task is cancelled before its turn is not run.

        Raises:
            ThreadsBusyError: The limit is reached, or the call has waited too long.
            BaseException: Whatever the function raises.
        """
        if self._unfinished >= self._limit:
            raise self._refusal
        call = Call(asyncio.get_running_loop(), function, arguments)
        if self._unfinished >= self.size:
            self._waiting.append(call)
        # counted here, where only the event loop counts, before anything is awaited
        self._unfinished += 1
        self._calls.put(call)
        result: T = await call.future
        return result

    def close(self) -> None:
        """Wait for what runs and waits, then end the threads."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            loop = call.future.get_loop()
            self._outcomes.append(self._run(call))
            del call  # an idle thread must not keep an image in memory
            # the flag is read after the outcome is there, and cleared before outcomes are taken
            if not self._delivering:
                self._delivering = True
                loop.call_soon_threadsafe(self._deliver)

    def _run(self, call: Call) -> _Outcome:
        if not call.begin():
            return _Outcome(call.future, None, None)
        try:
            if call.waits_since and self._check is not None:
                call.context.run(self._check)
            result = call.context.run(call.function, *call.arguments)
        except BaseException as error:  # noqa: BLE001 - raised where the call is awaited
            return _Outcome(call.future, None, error)
        return _Outcome(call.future, result, None)

    def _deliver(self) -> None:
        self._delivering = False
        while self._outcomes:
            self._unfinished -= 1
            self._outcomes.popleft().deliver()
        self._waiting.forget_begun()
