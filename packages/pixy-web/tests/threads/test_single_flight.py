"""Single flight: several callers share one result."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pixy_web.threads.single_flight import SingleFlight
from pixy_web.threads.threads import ThreadsBusyError, ThumbnailsBusyError


class Work:
    """Work that the test finishes, once for each start."""

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


def test_concurrent_callers_share_one_result() -> None:
    async def scenario(work: Work) -> None:
        tasks = await work.ask(300)
        (begun,) = work.begun
        begun.set_result("done")
        assert await asyncio.gather(*tasks) == ["done"] * 300

    run(scenario)


def test_a_later_caller_or_another_key_starts_the_work_again() -> None:
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
def test_after_a_failure_the_other_callers_do_the_work_themselves(is_cancelled: bool) -> None:
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


def test_when_the_work_is_refused_all_callers_are_refused() -> None:
    async def scenario(work: Work) -> None:
        tasks = await work.ask(3)
        work.begun[0].set_exception(ThumbnailsBusyError())
        for task in tasks:
            with pytest.raises(ThreadsBusyError) as caught:
                await task
            assert isinstance(caught.value, ThumbnailsBusyError)
        assert len(work.begun) == 1

    run(scenario)


def test_a_cancelled_caller_does_not_cancel_the_others() -> None:
    async def scenario(work: Work) -> None:
        first, second, third = await work.ask(3)
        second.cancel()
        await work.settle()
        work.begun[0].set_result("done")
        assert await asyncio.gather(first, third) == ["done"] * 2

    run(scenario)
