"""One piece of work for several callers."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pixy_web.threads.single_flight import SingleFlight
from pixy_web.threads.threads import ThreadsBusyError, ThumbnailsBusyError


class Work:
    """Work that waits to be told how it ends, once for each time that it is begun."""

    def __init__(self) -> None:
        self.flights: SingleFlight[str] = SingleFlight()
        self.begun: list[asyncio.Future[str]] = []

    async def ask(self, count: int, key: str = "key") -> list[asyncio.Task[str]]:
        tasks = [asyncio.create_task(self.flights.run(key, self._work)) for _ in range(count)]
        await self.settle()
        return tasks

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _work(self) -> str:
        self.begun.append(asyncio.get_running_loop().create_future())
        return await self.begun[-1]


def run(scenario: Callable[[Work], Awaitable[None]]) -> None:
    async def run_scenario() -> None:
        work = Work()
        await scenario(work)
        assert not work.flights._running

    asyncio.run(run_scenario())


def test_what_many_want_at_once_is_done_once() -> None:
    async def scenario(work: Work) -> None:
        tasks = await work.ask(300)
        (begun,) = work.begun
        begun.set_result("done")
        assert await asyncio.gather(*tasks) == ["done"] * 300

    run(scenario)


def test_what_is_wanted_later_or_by_another_key_is_done_again() -> None:
    async def scenario(work: Work) -> None:
        tasks = await work.ask(1, "a") + await work.ask(1, "b")
        for begun, result in zip(work.begun, "ab", strict=True):
            begun.set_result(result)
        assert await asyncio.gather(*tasks) == ["a", "b"]
        (later,) = await work.ask(1, "a")
        work.begun[-1].set_result("again")
        assert await later == "again"

    run(scenario)


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_failure_of_one_is_not_that_of_the_others(is_cancelled: bool) -> None:
    async def scenario(work: Work) -> None:
        first, *others = await work.ask(3)
        if is_cancelled:
            first.cancel()
        else:
            work.begun[0].set_exception(ZeroDivisionError())
        await work.settle()
        assert first.cancelled() or isinstance(first.exception(), ZeroDivisionError)
        assert len(work.begun) == 2
        work.begun[1].set_result("done")
        assert await asyncio.gather(*others) == ["done"] * 2

    run(scenario)


def test_where_there_is_no_room_for_one_there_is_none_for_the_others() -> None:
    async def scenario(work: Work) -> None:
        tasks = await work.ask(3)
        work.begun[0].set_exception(ThumbnailsBusyError())
        for task in tasks:
            with pytest.raises(ThreadsBusyError) as caught:
                await task
            assert isinstance(caught.value, ThumbnailsBusyError)
        assert len(work.begun) == 1

    run(scenario)


def test_a_caller_who_leaves_stops_nobody() -> None:
    async def scenario(work: Work) -> None:
        first, second, third = await work.ask(3)
        second.cancel()
        await work.settle()
        work.begun[0].set_result("done")
        assert await asyncio.gather(first, third) == ["done"] * 2

    run(scenario)
