"""Fair queueing: sources take turns in a thread pool."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from pixy_web.threads.threads import PATIENCE, SignInBusyError, Threads

T = TypeVar("T")


class FairThreads:
    """Runs at most one call of each source at a time; sources take turns.

    When too many calls wait, the newest call of the source with most calls is refused, so a
    source that floods the queue does not keep others out.

    Args:
        threads: Runs the calls.
        size: Number of threads.
        limit: Calls that may wait.
        patience: Seconds that a call may wait.
        check: Called in the context of a call that had to wait, before it runs; it may raise.
    """

    def __init__(
        self,
        threads: Threads,
        size: int,
        limit: int,
        *,
        patience: float = PATIENCE,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._threads = threads
        self._free = size
        self._limit = limit
        self._patience = patience
        self._check = check
        self._running: set[str] = set()
        # by source, in the order of their turns
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, source: str, function: Callable[..., T], *arguments: object) -> T:
        """Run a function of a source in one of the threads, with the caller's context variables.

        Raises:
            SignInBusyError: Too many calls wait, or this one has waited too long.
            BaseException: Whatever the function raises.
        """
        # this does not overtake other calls: while a thread is free, only calls of running
        # sources wait
        if self._free and source not in self._running:
            self._start(source)
        else:
            await self._wait(source)
        # the thread of a cancelled caller goes on; its place is free when it is done
        task = asyncio.create_task(self._threads.run(function, *arguments))
        task.add_done_callback(partial(self._finish, source))
        return await asyncio.shield(task)

    def close(self) -> None:
        """Wait for running calls, then end the threads."""
        self._threads.close()

    async def _wait(self, source: str) -> None:
        self._make_room(source)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(source, deque()).append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
            if self._check is not None:
                self._check()
        except TimeoutError as error:
            self._forget(source, turn)
            raise SignInBusyError from error
        except BaseException:
            self._forget(source, turn)
            raise

    def _make_room(self, source: str) -> None:
        if sum(map(len, self._waiting.values())) < self._limit:
            return
        calls = max(self._waiting.values(), key=len)
        if len(calls) <= len(self._waiting.get(source, ())) + 1:
            raise SignInBusyError
        calls.pop().set_exception(SignInBusyError())

    def _forget(self, source: str, turn: asyncio.Future[None]) -> None:
        """Remove a call that will not run."""
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self._release(source)
            return
        calls = self._waiting.get(source, deque())
        with suppress(ValueError):
            calls.remove(turn)
        if not calls:
            self._waiting.pop(source, None)

    def _start(self, source: str) -> None:
        self._free -= 1
        self._running.add(source)

    def _finish(self, source: str, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # marks it as retrieved: its caller may be gone
        self._release(source)

    def _release(self, source: str) -> None:
        self._free += 1
        self._running.discard(source)
        while self._free and self._start_next():
            pass

    def _start_next(self) -> bool:
        """Start the first call whose source does not run; return False if there is none."""
        source = next((each for each in self._waiting if each not in self._running), None)
        if source is None:
            return False
        calls = self._waiting[source]
        turn = calls.popleft()
        if calls:
            self._waiting.move_to_end(source)
        else:
            del self._waiting[source]
        if not turn.done():  # otherwise its caller was cancelled and will forget it
            self._start(source)
            turn.set_result(None)
        return True
