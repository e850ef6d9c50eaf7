"""Calls that wait for their turn: how many may, for how long, and who takes the next one."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

_SWEEP_PAUSE = 0.25
"""Seconds between two looks at how long the calls have waited."""


class Call:
    """A function, its arguments and context, and the future of whoever awaits its result.

    Attributes:
        future: Done as soon as nobody waits for the result any more.
        waits_since: By the loop's clock; 0 for a call that never had to wait.

    Args:
        loop: Where it is awaited.
        function: What is to be run.
        arguments: Its arguments.
    """

    __slots__ = ("_turn", "arguments", "context", "function", "future", "waits_since")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        function: Callable[..., Any],
        arguments: tuple[object, ...],
    ) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()
        self.context = copy_context()
        self.function = function
        self.arguments = arguments
        self.waits_since = 0.0
        self._turn = threading.Lock()

    def begin(self) -> bool:
        """Return True once, to the one who may run or refuse it; False if nobody awaits it."""
        return self._turn.acquire(blocking=False) and not self.future.done()

    @property
    def has_begun(self) -> bool:
        """Whether it was run or refused."""
        return self._turn.locked()


class WaitingCalls:
    """Calls in the order in which they came; one timer refuses those that wait too long.

    Only the event loop uses it.

    Args:
        patience: Seconds that a call may wait.
        refusal: Raised where a refused call is awaited.
    """

    def __init__(self, patience: float, refusal: type[Exception]) -> None:
        self._patience = patience
        self._refusal = refusal
        self._calls: deque[Call] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Return how many wait, those included that nobody awaits any more."""
        return len(self._calls)

    def append(self, call: Call) -> None:
        """Let a call wait."""
        loop = call.future.get_loop()
        call.waits_since = loop.time()
        self._calls.append(call)
        if self._timer is None:
            self._timer = loop.call_later(_SWEEP_PAUSE, self._sweep, loop)

    def take(self) -> Call | None:
        """Return the call that waits longest, for the caller to run."""
        while self._calls:
            call = self._calls.popleft()
            if call.begin():
                return call
        return None

    def forget_begun(self) -> None:
        """Forget the calls that others have begun, and with them their results."""
        while self._calls and self._calls[0].has_begun:
            self._calls.popleft()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        last = loop.time() - self._patience
        while self._calls and (self._calls[0].has_begun or self._calls[0].waits_since <= last):
            call = self._calls.popleft()
            if call.begin():
                call.future.set_exception(self._refusal())
        self._timer = loop.call_later(_SWEEP_PAUSE, self._sweep, loop) if self._calls else None
