"""Queries on the event loop: plain functions that leave the loop to others while a server works.

Each function runs in a greenlet, a stack of its own. `mysql_driver` leaves it when a query is
sent, and the loop enters it again when the answer can be read. A hop into a thread and back would
cost more than the query: docs/decisions/0010-queries-on-the-loop.md.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet
from typing_extensions import override

from pixy_core import DatabaseBusyError

T = TypeVar("T")

MAX_WAITING = 256
"""Calls that may wait; a query by key takes less than a millisecond."""

MAX_WAIT = 5.0
"""Seconds that a call may wait for a greenlet."""

_SWEEP_INTERVAL = 0.25
"""Seconds between two searches for calls that have waited too long."""

PAUSE = 5.0
"""Seconds for which calls run in threads after an answer has blocked the loop."""


class QueryRunner(Protocol):
    """Awaits a function of one or two reads without blocking the event loop."""

    async def __call__(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function in the caller's context; it may be abandoned and run again.

        Raises:
            BaseException: Whatever the function raises, or the refusal when too many calls wait.
        """


class WouldBlockError(BaseException):
    """A function would block the event loop, and has to run again in a thread.

    Like asyncio.CancelledError it is no Exception, so that no error handler catches it.
    """


class _Call:
    """A function, its arguments and context, and the future that its caller awaits."""

    __slots__ = ("_arguments", "_context", "_function", "future", "waits_since")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        function: Callable[..., Any],
        arguments: tuple[object, ...],
    ) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()
        self.waits_since: float | None = None
        self._context = copy_context()
        self._function = function
        self._arguments = arguments

    def run(self, check: Callable[[], None] | None) -> Any:
        """Run the function, after `check` if the call had to wait."""
        if self.waits_since is not None and check is not None:
            self._context.run(check)
        return self._context.run(self._function, *self._arguments)


class QueryGreenlet(greenlet):
    """A stack that runs one call after the other; a new one costs as much as a query."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pool: "GreenletPool") -> None:
        super().__init__()
        self.loop = loop
        self.pool = pool
        self._home = getcurrent()

    @override
    def run(self, call: _Call) -> None:
        while True:
            self.pool.perform(call)
            call = self.pool.next_call(self)

    def leave(self) -> Any:
        """Return to the event loop, until something switches to this greenlet."""
        return self._home.switch()


class GreenletPool:
    """Runs at most `size` functions at once on the event loop.

    Attributes:
        is_paused: True while calls run in `fallback`, because an answer has blocked the loop.

    Args:
        size: Maximum greenlets.
        fallback: Runs a function in a thread, where it may block.
        limit: Calls that may wait.
        patience: Seconds that a call may wait.
        refusal: Raised for a call over the limit, or one that has waited too long.
        check: Called in the context of a call that had to wait, before it runs; it may raise.
    """

    def __init__(
        self,
        size: int,
        fallback: QueryRunner,
        *,
        limit: int = MAX_WAITING,
        patience: float = MAX_WAIT,
        refusal: type[Exception] = DatabaseBusyError,
        check: Callable[[], None] | None = None,
    ) -> None:
        self._unused = size
        self._fallback = fallback
        self._limit = limit
        self._patience = patience
        self._refusal = refusal
        self._check = check
        self._idle: list[QueryGreenlet] = []
        self._waiting: deque[_Call] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self.is_paused = False

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function that only reads, see `QueryRunner`."""
        if not self.is_paused:
            loop = asyncio.get_running_loop()
            call = _Call(loop, function, arguments)
            self._start(loop, call)
            try:
                result: T = await call.future
            except WouldBlockError:
                pass
            else:
                return result
        return await self._fallback(function, *arguments)

    def perform(self, call: _Call) -> None:
        """Run a call, and set its result."""
        try:
            if self.is_paused:
                raise WouldBlockError
            result = call.run(self._check)
        except GreenletExit:  # the loop is closed
            raise
        except BaseException as error:  # noqa: BLE001 - raised where the call is awaited
            if not call.future.done():
                call.future.set_exception(error)
        else:
            if not call.future.done():  # else its task was cancelled meanwhile
                call.future.set_result(result)

    def next_call(self, idle: QueryGreenlet) -> _Call:
        """Return the call that has waited longest, or leave the loop until there is one."""
        while self._waiting:
            call = self._waiting.popleft()
            if not call.future.done():
                return call
        self._idle.append(idle)
        started: _Call = idle.leave()
        return started

    def pause(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run all calls in threads for a while, including those that wait for an answer."""
        if not self.is_paused:
            self.is_paused = True
            loop.call_later(PAUSE, self._resume)

    def _start(self, loop: asyncio.AbstractEventLoop, call: _Call) -> None:
        if self._idle:
            self._idle.pop().switch(call)
        elif self._unused:
            self._unused -= 1
            QueryGreenlet(loop, self).switch(call)
        elif len(self._waiting) < self._limit:
            call.waits_since = loop.time()
            self._waiting.append(call)
            if self._sweep is None:
                self._sweep = loop.call_later(_SWEEP_INTERVAL, self._refuse_late, loop)
        else:
            raise self._refusal

    def _refuse_late(self, loop: asyncio.AbstractEventLoop) -> None:
        latest = loop.time() - self._patience
        while self._waiting and (self._waiting[0].waits_since or 0) <= latest:
            future = self._waiting.popleft().future
            if not future.done():
                future.set_exception(self._refusal())
        self._sweep = None
        if self._waiting:
            self._sweep = loop.call_later(_SWEEP_INTERVAL, self._refuse_late, loop)

    def _resume(self) -> None:
        self.is_paused = False


def current_query() -> QueryGreenlet | None:
    """Return the greenlet that the caller runs in; None in a thread, where it may block."""
    current = getcurrent()
    return current if isinstance(current, QueryGreenlet) else None


class SocketReader:
    """Resumes a greenlet when its connection can be read.

    The loop watches the connection from its first query on: starting and stopping to watch costs
    more than a query. It watches a duplicate of the descriptor, which stays valid when another
    thread closes the connection.

    Args:
        query: Runs on the loop that is to watch.
        descriptor: The connection's.
        timeout: Seconds that an answer may take.
    """

    def __init__(self, query: QueryGreenlet, descriptor: int, timeout: float) -> None:
        self._loop = query.loop
        self._timeout = timeout
        self._descriptor: int | None = os.dup(descriptor)
        self._waiting: QueryGreenlet | None = None
        # not from here: libuv keeps what add_reader changes on the stack of the loop, and where a
        # greenlet runs in a callback, its own stack may lie there
        self._loop.call_soon(self._watch)

    def _watch(self) -> None:
        if self._descriptor is None:
            return
        self._loop.add_reader(self._descriptor, self._resume)
        # uvloop makes it non-blocking, and with it the connection, where libmariadb over TLS
        # then takes the seconds of its read timeout for milliseconds
        os.set_blocking(self._descriptor, True)

    @property
    def is_open(self) -> bool:
        """False once something came unasked, or after `close`."""
        return self._descriptor is not None

    def wait(self, query: QueryGreenlet) -> None:
        """Leave the loop until there is something to read.

        Raises:
            TimeoutError: Nothing came in time.
        """
        timer = self._loop.call_later(self._timeout, self._give_up)
        self._waiting = query
        try:
            query.leave()
        finally:
            self._waiting = None
            timer.cancel()

    def close(self) -> None:
        """Stop to watch; safe in any thread."""
        try:
            self._loop.call_soon_threadsafe(self._close)
        except RuntimeError:  # the loop is closed
            self._close_descriptor()

    def _resume(self) -> None:
        if self._waiting is None:
            # a thread has sent a query, or the server has closed the connection
            self._close()
        else:
            self._waiting.switch()

    def _give_up(self) -> None:
        if self._waiting is not None:
            self._waiting.throw(TimeoutError)

    def _close(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
