"""Single flight: concurrent callers of the same work share one result."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from pixy_web.threads.threads import ThreadsBusyError

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs work once for all concurrent callers with the same key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Future[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, or of the same work that another caller has started.

        If the other caller fails or is cancelled, this one does the work itself. If the work of
        the other caller was refused, this one is refused too.

        Raises:
            ThreadsBusyError: The work was refused.
            BaseException: Whatever `work` raises.
        """
        while (other := self._running.get(key)) is not None:
            await asyncio.wait([other])
            if other.cancelled():
                continue
            error = other.exception()
            if error is not None:
                raise type(error) from error
            return other.result()
        return await self._lead(key, work)

    async def _lead(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        outcome = self._running[key] = asyncio.get_running_loop().create_future()
        try:
            result = await work()
        except ThreadsBusyError as error:
            outcome.set_exception(error)
            outcome.exception()  # marks it as retrieved: perhaps nobody else waits for it
            raise
        except BaseException:
            outcome.cancel()
            raise
        else:
            outcome.set_result(result)
            return result
        finally:
            del self._running[key]
