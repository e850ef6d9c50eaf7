"""Fair queueing: which call runs next, and which is refused when too many wait."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from pixy_web.threads.fair_threads import FairThreads
from pixy_web.threads.threads import SignInBusyError, Threads

LIMIT = 4
Scenario = Callable[["Bench"], Awaitable[None]]


class Bench:
    """Threads whose first calls can be held, and the names of finished calls, in order."""

    def __init__(self, size: int, **options: float) -> None:
        self.threads = FairThreads(Threads(size, "test"), size, LIMIT, **options)
        self.ran: list[str] = []
        self._started = threading.Semaphore(0)
        self._go_on = threading.Event()

    def ask(self, name: str) -> asyncio.Task[str]:
        """Start a call; the first letter of its name is its source."""
        return asyncio.create_task(self.threads.run(name[0], self._work, name))

    async def settle(self) -> None:
        """Run the event loop until all tasks wait."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def wait_for(self, count: int) -> None:
        """Wait until this number of further calls has started."""
        for _ in range(count):
            assert await asyncio.to_thread(self._started.acquire, timeout=30)

    def release(self) -> None:
        self._go_on.set()

    def _work(self, name: str) -> str:
        self.ran.append(name)
        self._started.release()
        assert self._go_on.wait(30)
        return name


async def outcomes_of(tasks: list[asyncio.Task[str]]) -> list[str]:
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    return [each if isinstance(each, str) else type(each).__name__ for each in outcomes]


def run(scenario: Scenario, size: int = 1, **options: float) -> Bench:
    bench = Bench(size, **options)
    try:
        asyncio.run(scenario(bench))  # type: ignore[arg-type]
    finally:
        bench.release()
        bench.threads.close()
    return bench


def test_sources_take_turns() -> None:
    async def scenario(bench: Bench) -> None:
        tasks = [bench.ask(name) for name in ("a1", "a2", "a3", "b1", "c1")]
        await bench.settle()
        bench.release()
        await asyncio.gather(*tasks)

    assert run(scenario).ran == ["a1", "a2", "b1", "c1", "a3"]


def test_a_source_uses_one_thread_at_a_time() -> None:
    async def scenario(bench: Bench) -> None:
        tasks = [bench.ask(name) for name in ("a1", "a2", "b1")]
        await bench.wait_for(2)
        assert sorted(bench.ran) == ["a1", "b1"]
        bench.release()
        await asyncio.gather(*tasks)

    assert sorted(run(scenario, size=2).ran) == ["a1", "a2", "b1"]


def test_a_flood_of_one_source_does_not_keep_others_out() -> None:
    async def scenario(bench: Bench) -> None:
        flood = [bench.ask(f"a{number}") for number in range(7)]
        await bench.settle()
        others = [bench.ask("b1"), bench.ask("c1")]
        await bench.settle()
        bench.release()
        busy = SignInBusyError.__name__
        assert await outcomes_of(flood) == ["a0", "a1", "a2", *[busy] * 4]
        assert await outcomes_of(others) == ["b1", "c1"]

    run(scenario)


def test_when_no_source_has_many_calls_the_newest_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        tasks = [bench.ask(f"{source}1") for source in "abcdef"]
        await bench.settle()
        bench.release()
        assert await outcomes_of(tasks) == ["a1", "b1", "c1", "d1", "e1", "SignInBusyError"]

    run(scenario)


def test_a_cancelled_call_does_not_take_a_turn() -> None:
    async def scenario(bench: Bench) -> None:
        running, waiting, last = (bench.ask(name) for name in ("a1", "b1", "c1"))
        await bench.settle()
        waiting.cancel()
        await bench.wait_for(1)
        running.cancel()
        await bench.settle()
        # the thread still runs the cancelled call
        assert bench.ran == ["a1"]
        bench.release()
        assert await last == "c1"

    assert run(scenario).ran == ["a1", "c1"]


def test_a_call_that_waits_too_long_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        running, waiting = bench.ask("a1"), bench.ask("a2")
        assert await outcomes_of([waiting]) == ["SignInBusyError"]
        bench.release()
        assert await running == "a1"
        assert await bench.ask("a3") == "a3"

    run(scenario, patience=0.05)


def test_an_exception_is_raised_where_the_call_is_awaited() -> None:
    async def scenario(bench: Bench) -> None:
        with pytest.raises(ZeroDivisionError):
            await bench.threads.run("a", lambda: 1 // 0)
        bench.release()
        assert await bench.ask("a1") == "a1"

    run(scenario)
