"""Calls that run on the event loop itself, and leave it to others while a server works.

A function that reads the database is plain code that waits for an answer. In a thread the wait
is the thread's; a hop there and back costs more than the query, most of it for two threads that
want the interpreter at the same time. Here each function has a greenlet, a stack of its own,
which is left when the query is sent and entered again when the answer is there to be read.

`mysql_driver` sends the queries and reads the answers, `waiting_calls` holds the calls that wait.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet
from typing_extensions import override

from pixy_core import DatabaseBusyError
from pixy_data.database.waiting_calls import Call, WaitingCalls

T = TypeVar("T")

WAITING_CALLS = 256
"""Calls that may wait; a query by key takes less than a millisecond."""

PATIENCE = 5.0
"""Seconds that a call may wait for its turn."""

PAUSE = 5.0
"""Seconds in which the loop reads no answers after one has stopped it."""


class WouldBlockError(BaseException):
    """A call on the event loop has come to where it would stop everybody.

    Nothing failed, so it is no Exception: it has to get past whoever handles failures, as
    asyncio.CancelledError does.
    """


class LoopCall(greenlet):
    """A stack that runs one function after the other.

    It is kept, since a new one costs as much as a query.

    Attributes:
        loop: The event loop that it runs on.

    Args:
        loop: The same.
        calls: Where its functions come from.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, calls: "Queries") -> None:
        super().__init__()
        self.loop = loop
        self._calls = calls
        self._home = getcurrent()

    @property
    def is_paused(self) -> bool:
        """Whether this and all other calls are better run in threads, see `Queries.pause`."""
        return self._calls.is_paused

    @override
    def run(self, call: Call) -> None:
        while True:
            self._calls.perform(call)
            call = self._calls.next_call(self)

    def leave(self) -> Any:
        """Go on with the loop, until somebody switches to this call again."""
        return self._home.switch()

    def pause(self) -> None:
        """Let threads do the work for a while: an answer has stopped the loop."""
        self._calls.pause(self.loop)


class Queries:
    """At most `size` functions at a time, on the event loop that asks for the first.

    Attributes:
        is_paused: Whether calls run elsewhere for a while.

    Args:
        size: How many stacks there are.
        elsewhere: Runs a function where it may wait for anything: a call that would stop the
            loop is left, and started again there.
        limit: Calls that may wait for a stack.
        patience: Seconds that a call may wait for one.
        refusal: Raised for a call over the limit, or one that has waited too long.
        check: Called in the context of a call that had to wait, before it runs; what it raises
            is raised where the call is awaited.
        is_blocking: Whether queries block, so that all functions run in threads.
    """

    def __init__(
        self,
        size: int,
        elsewhere: Callable[..., Awaitable[Any]],
        *,
        limit: int = WAITING_CALLS,
        patience: float = PATIENCE,
        refusal: type[Exception] = DatabaseBusyError,
        check: Callable[[], None] | None = None,
        is_blocking: bool = False,
    ) -> None:
        self._is_blocking = is_blocking
        self._places = size
        self._elsewhere = elsewhere
        self._limit = limit
        self._refusal = refusal
        self._check = check
        self._idle: list[LoopCall] = []
        self._waiting = WaitingCalls(patience, refusal)
        self.is_paused = False

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function that only reads, with the caller's context variables.

        Args:
            function: It may be left and started again.
            arguments: Its arguments.

        Raises:
            BaseException: Whatever the function raises, or the refusal.
        """
        if not (self.is_paused or self._is_blocking):
            loop = asyncio.get_running_loop()
            call = Call(loop, function, arguments)
            self._start(loop, call)
            try:
                result: T = await call.future
            except WouldBlockError:
                pass
            else:
                return result
        other: T = await self._elsewhere(function, *arguments)
        return other

    def _start(self, loop: asyncio.AbstractEventLoop, call: Call) -> None:
        if self._idle:
            self._idle.pop().switch(call)
        elif self._places:
            self._places -= 1
            LoopCall(loop, self).switch(call)
        elif len(self._waiting) < self._limit:
            self._waiting.append(call)
        else:
            raise self._refusal

    def perform(self, call: Call) -> None:
        """Run a call's function, and tell whoever awaits it what came of it."""
        try:
            if self.is_paused:
                raise WouldBlockError
            result = call.context.run(self._run, call)
        except GreenletExit:  # the loop is over, and nobody waits any more
            raise
        except BaseException as error:  # noqa: BLE001 - raised where the call is awaited
            if not call.future.done():
                call.future.set_exception(error)
        else:
            if not call.future.done():  # its task was cancelled meanwhile
                call.future.set_result(result)

    def _run(self, call: Call) -> Any:
        if call.waits_since and self._check is not None:
            self._check()
        return call.function(*call.arguments)

    def next_call(self, place: LoopCall) -> Call:
        """Return what a stack is to run next, once there is something."""
        call = self._waiting.take()
        if call is None:
            self._idle.append(place)
            call = place.leave()
        return call

    def pause(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run all calls elsewhere for a while, those that wait for an answer included.

        Args:
            loop: The event loop, whose clock counts.
        """
        if not self.is_paused:
            self.is_paused = True
            loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        self.is_paused = False


def find_call() -> LoopCall | None:
    """Return the call that the caller is part of, which may wait by `Answers` only."""
    call = getcurrent()
    return call if isinstance(call, LoopCall) else None


class Answers:
    """Tells a call on the event loop that an answer has come on a connection.

    The loop keeps an eye on the connection from its first query on, because telling it to look
    and to look away costs more than the query. It does so by a descriptor of its own, which
    stays good when another thread closes the connection.

    Args:
        call: Asks first.
        descriptor: The connection's.
        timeout: Seconds that an answer may take.
    """

    def __init__(self, call: LoopCall, descriptor: int, timeout: float) -> None:
        self._loop = call.loop
        self._timeout = timeout
        self._descriptor: int | None = os.dup(descriptor)
        self._waiting: LoopCall | None = None
        self._loop.add_reader(self._descriptor, self._continue)
        # uvloop makes it non-blocking, and with it the connection, from which libmariadb then
        # reads over TLS with milliseconds where the timeout says seconds
        os.set_blocking(self._descriptor, True)

    @property
    def is_open(self) -> bool:
        """Whether the loop still looks."""
        return self._descriptor is not None

    def wait(self, call: LoopCall) -> None:
        """Leave the loop to others until there is something to read.

        Args:
            call: The one that runs.

        Raises:
            TimeoutError: There wasn't in time.
        """
        timer = self._loop.call_later(self._timeout, self._give_up)
        self._waiting = call
        try:
            call.leave()
        finally:
            self._waiting = None
            timer.cancel()

    def close(self) -> None:
        """Look no more; from any thread.

        Raises:
            Nothing.
        """
        try:
            self._loop.call_soon_threadsafe(self._close)
        except RuntimeError:  # the loop is closed, and looks no more
            self._forget()

    def _continue(self) -> None:
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
        self._forget()

    def _forget(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
