"""A thread pool with a bounded queue, and the hop from the event loop into it."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, TypeVar

from pixy_core import PixyProxyException

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that a call may wait for a thread."""

_SWEEP_INTERVAL = 0.25
"""Seconds between two searches for calls that have waited too long."""


class ThreadsBusyError(PixyProxyException):
    """The queue of these threads is full, or the call waited too long."""

    message = "The server is busy with requests of this kind"


class SignInBusyError(ThreadsBusyError):
    """Too many passwords wait to be checked."""


class ThumbnailsBusyError(ThreadsBusyError):
    """Too many thumbnails wait to be made."""


class UploadsBusyError(ThreadsBusyError):
    """Too many uploads are being received, by all users or by this one."""

    message = "Too many uploads are being received"


class _Call:
    """A function, its arguments and context, and the future that its caller awaits."""

    __slots__ = (
        "_arguments",
        "_claimed",
        "_context",
        "_error",
        "_function",
        "_result",
        "future",
        "waits_since",
    )

    def __init__(self, function: Callable[..., Any], arguments: tuple[object, ...]) -> None:
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waits_since: float | None = None
        self._context = copy_context()
        self._function = function
        self._arguments = arguments
        self._claimed = threading.Lock()
        self._result: Any = None
        self._error: BaseException | None = None

    def claim(self) -> bool:
        """Return True at most once: to the thread that runs it, or to the loop that refuses it."""
        return self._claimed.acquire(blocking=False) and not self.future.done()

    @property
    def is_claimed(self) -> bool:
        return self._claimed.locked()

    def run(self, check: Callable[[], None] | None) -> None:
        """Run the function, after `check` if the call had to wait."""
        try:
            if self.waits_since is not None and check is not None:
                self._context.run(check)
            self._result = self._context.run(self._function, *self._arguments)
        except BaseException as error:  # noqa: BLE001 - raised where the call is awaited
            self._error = error

    def deliver(self) -> None:
        """Set the result, unless the call was cancelled or refused."""
        if self.future.done():
            return
        if self._error is None:
            self.future.set_result(self._result)
        else:
            self.future.set_exception(self._error)


class Threads:
    """A fixed number of threads for one kind of work.

    A hop costs a third of `loop.run_in_executor`: it takes one future instead of two, and results
    that are ready together wake the loop once.

    Args:
        size: Number of threads.
        name: Prefix of their names in a debugger or profiler.
        limit: Calls that may run or wait at once.
        patience: Seconds that a call may wait for a thread.
        refusal: Raised for a call over the limit, or one that has waited too long.
        check: Called in the context of a call that had to wait, before it runs; it may raise.
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
        self._limit = limit
        self._patience = patience
        self._refusal = refusal
        self._check = check
        # threads take calls from the queue; the loop keeps those that had to wait for refusal
        self._queue: SimpleQueue[_Call | None] = SimpleQueue()
        self._waiting: deque[_Call] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._finished: deque[_Call] = deque()
        self._delivering = False
        self._unfinished = 0
        # daemon threads, because a server that gets a second signal exits without calling `close`
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}_{number}", daemon=True)
            for number in range(size)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in one of the threads, with the caller's context variables.

        A call whose task is cancelled before its turn is not run.

        Raises:
            ThreadsBusyError: The limit is reached, or the call has waited too long.
            BaseException: Whatever the function raises.
        """
        if self._unfinished >= self._limit:
            raise self._refusal
        call = _Call(function, arguments)
        if self._unfinished >= self.size:
            self._let_wait(call)
        # counted on the event loop, before anything is awaited
        self._unfinished += 1
        self._queue.put(call)
        result: T = await call.future
        return result

    def close(self) -> None:
        """Wait for all calls, then end the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _let_wait(self, call: _Call) -> None:
        loop = call.future.get_loop()
        call.waits_since = loop.time()
        self._waiting.append(call)
        if self._sweep is None:
            self._sweep = loop.call_later(_SWEEP_INTERVAL, self._refuse_late, loop)

    def _refuse_late(self, loop: asyncio.AbstractEventLoop) -> None:
        latest = loop.time() - self._patience
        while self._waiting:
            call = self._waiting[0]
            if not call.is_claimed and (call.waits_since or 0) > latest:
                break
            self._waiting.popleft()
            if call.claim():
                call.future.set_exception(self._refusal())
        self._sweep = None
        if self._waiting:
            self._sweep = loop.call_later(_SWEEP_INTERVAL, self._refuse_late, loop)

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            loop = call.future.get_loop()
            if call.claim():
                call.run(self._check)
            self._finished.append(call)
            del call  # an idle thread must not keep an image in memory
            # the flag is read after the call is appended, and cleared before calls are delivered
            if not self._delivering:
                self._delivering = True
                loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._delivering = False
        while self._finished:
            self._unfinished -= 1
            self._finished.popleft().deliver()
        # drop calls that have run: they would keep their results in memory
        while self._waiting and self._waiting[0].is_claimed:
            self._waiting.popleft()
