"""Work that several callers want at once, and that is done once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from pixy_web.threads.threads import ThreadsBusyError

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Gives callers who want the same at the same time one result."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Future[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work`, or of that which another caller has begun.

        Where the other fails or is cancelled, this caller does the work itself, except when there
        is no room for it.

        Args:
            key: What is wanted.
            work: Makes it.

        Raises:
            ThreadsBusyError: There is no room for this work.
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
            outcome.exception()  # perhaps nobody else waits for it
            raise
        except BaseException:
            outcome.cancel()
            raise
        else:
            outcome.set_result(result)
            return result
        finally:
            del self._running[key]
