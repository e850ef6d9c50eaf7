"""Calls that run on the event loop itself, and leave it to others while a server works.

A function that reads the database is plain code that waits for an answer. In a thread the wait
is the thread's; a hop there and back costs more than the query, most of it for two threads that
want the interpreter at the same time. Here each function has a greenlet, a stack of its own,
which is left when the query is sent and entered again when the answer is there to be read.

How a query is sent and its answer read stands in `mysql_driver`.
"""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any, NamedTuple, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet
from typing_extensions import override

T = TypeVar("T")


class WouldBlockError(BaseException):
    """A call on the event loop has come to where it would stop everybody.

    Nothing failed, so it is no Exception: it has to get past whoever handles failures, as
    asyncio.CancelledError does.
    """


class _Job(NamedTuple):
    future: asyncio.Future[Any]
    context: Context
    function: Callable[..., Any]
    arguments: tuple[object, ...]

    def run(self) -> None:
        try:
            result = self.context.run(self.function, *self.arguments)
        except GreenletExit:  # the loop is over, and nobody waits any more
            raise
        except BaseException as error:  # noqa: BLE001 - raised where the call is awaited
            if not self.future.done():
                self.future.set_exception(error)
        else:
            if not self.future.done():  # whoever awaited it was cancelled
                self.future.set_result(result)


class LoopCall(greenlet):
    """A stack that runs one function after the other.

    It is kept, since a new one costs as much as a query.

    Attributes:
        loop: The event loop that it runs on.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, next_job: "Callable[[LoopCall], _Job]"
    ) -> None:
        super().__init__()
        self.loop = loop
        self._home = getcurrent()
        self._next_job = next_job

    @override
    def run(self) -> None:
        while True:
            self._next_job(self).run()

    def leave(self) -> None:
        """Go on with the loop, until somebody switches to this call again."""
        self._home.switch()


class LoopCalls:
    """At most `size` functions at a time, on the event loop that asks for the first.

    Args:
        size: How many stacks there are.
        elsewhere: Runs a function where it may wait for anything: what would stop the loop is
            left, and begun again there.
    """

    def __init__(self, size: int, elsewhere: Callable[..., Awaitable[Any]]) -> None:
        self._places = size
        self._elsewhere = elsewhere
        self._idle: list[LoopCall] = []
        self._jobs: deque[_Job] = deque()

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a function that only reads, with the caller's context variables.

        Args:
            function: It may be left and begun again.
            arguments: Its arguments.

        Raises:
            BaseException: Whatever the function raises.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.append(_Job(future, copy_context(), function, arguments))
        if self._idle:
            self._idle.pop().switch()
        elif self._places:
            self._places -= 1
            LoopCall(loop, self._next_job).switch()
        try:
            return await future
        except WouldBlockError:
            result: T = await self._elsewhere(function, *arguments)
            return result

    def _next_job(self, call: LoopCall) -> _Job:
        while not self._jobs:
            self._idle.append(call)
            call.leave()
        return self._jobs.popleft()


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
