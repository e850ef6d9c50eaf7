"""The application's thread pools: context, errors and limits. Case C900."""

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest

from pixy_web.http.error_handler import STATUSES
from pixy_web.threads.threads import Threads, ThreadsBusyError


def test_a_call_runs_in_a_thread_with_the_callers_context() -> None:
    name = contextvars.ContextVar("name", default="nobody")
    threads = Threads(1, "pixy-test")

    async def call() -> tuple[str, str]:
        name.set("ada")
        return await threads.run(lambda: (name.get(), threading.current_thread().name))

    assert asyncio.run(call()) == ("ada", "pixy-test_0")
    threads.close()


@pytest.mark.case("C900")
def test_a_call_over_the_limit_is_refused_and_later_ones_are_not() -> None:
    threads, release = Threads(1, "pixy-test", limit=2), threading.Event()

    async def call() -> None:
        waiting = [asyncio.create_task(threads.run(release.wait, 30)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ThreadsBusyError):
            await threads.run(int)
        release.set()
        await asyncio.gather(*waiting)
        assert await threads.run(int) == 0

    asyncio.run(call())
    threads.close()
    assert STATUSES[ThreadsBusyError] == (503, "server_busy", {"Retry-After": "2"})


def test_a_call_that_fails_frees_its_place() -> None:
    threads = Threads(1, "pixy-test", limit=1)

    async def call() -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await threads.run(lambda: 1 / 0)

    asyncio.run(call())
    threads.close()


def test_each_of_many_calls_gets_its_own_result() -> None:
    threads = Threads(4, "pixy-test", limit=5_000, patience=60)

    async def call() -> list[int]:
        return await asyncio.gather(*(threads.run(abs, -number) for number in range(5_000)))

    assert asyncio.run(call()) == list(range(5_000))
    threads.close()


def test_a_cancelled_call_runs_to_its_end_and_then_frees_its_place() -> None:
    threads, release, ended = Threads(1, "pixy-test", limit=1), threading.Event(), []
    started = threading.Event()

    def work() -> None:
        started.set()
        ended.append(release.wait(30))

    async def call() -> None:
        task = asyncio.create_task(threads.run(work))
        await asyncio.to_thread(started.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ThreadsBusyError):
            await threads.run(int)
        release.set()
        while True:
            try:
                assert await threads.run(int) == 0
            except ThreadsBusyError:
                await asyncio.sleep(0.001)
            else:
                break
        assert ended == [True]

    asyncio.run(asyncio.wait_for(call(), 30))
    threads.close()


def test_a_call_that_is_cancelled_before_its_turn_is_not_run() -> None:
    threads, release, run = Threads(1, "pixy-test"), threading.Event(), []

    async def call() -> None:
        first = asyncio.create_task(threads.run(release.wait, 30))
        await asyncio.sleep(0)
        second = asyncio.create_task(threads.run(run.append, 2))
        third = asyncio.create_task(threads.run(run.append, 3))
        await asyncio.sleep(0)
        second.cancel()
        release.set()
        await asyncio.gather(first, third)

    asyncio.run(asyncio.wait_for(call(), 30))
    threads.close()
    assert run == [3]


@pytest.mark.case("C900")
def test_a_call_that_waits_too_long_is_refused_and_not_run() -> None:
    threads, release = Threads(1, "pixy-test", patience=0.1), threading.Event()
    run: list[int] = []

    async def call() -> None:
        first = asyncio.create_task(threads.run(release.wait, 30))
        await asyncio.sleep(0)
        with pytest.raises(ThreadsBusyError):
            await threads.run(run.append, 2)
        release.set()
        await first
        await threads.run(run.append, 3)

    asyncio.run(asyncio.wait_for(call(), 30))
    threads.close()
    assert run == [3]


def test_a_call_that_had_to_wait_is_checked_before_it_runs() -> None:
    name = contextvars.ContextVar("name", default="nobody")
    release, run = threading.Event(), []

    def check() -> None:
        if name.get() == "gone":
            raise LookupError

    threads = Threads(1, "pixy-test", check=check)

    async def call() -> None:
        first = asyncio.create_task(threads.run(release.wait, 30))
        await asyncio.sleep(0)
        here = asyncio.create_task(threads.run(run.append, "here"))
        await asyncio.sleep(0)
        name.set("gone")
        gone = asyncio.create_task(threads.run(run.append, "gone"))
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, here)
        with pytest.raises(LookupError):
            await gone

    asyncio.run(asyncio.wait_for(call(), 30))
    threads.close()
    assert run == ["here"]


def test_closing_waits_for_running_and_waiting_calls() -> None:
    threads, release, started = Threads(1, "pixy-test"), threading.Event(), threading.Event()

    def work() -> bool:
        started.set()
        return release.wait(30)

    async def call() -> tuple[bool, int]:
        running = asyncio.gather(threads.run(work), threads.run(int))
        await asyncio.to_thread(started.wait, 30)
        closing = asyncio.create_task(asyncio.to_thread(threads.close))
        await asyncio.sleep(0)
        assert not closing.done()
        release.set()
        await closing
        first, second = await running
        return first, second

    assert asyncio.run(asyncio.wait_for(call(), 30)) == (True, 0)


def test_threads_that_are_not_closed_do_not_keep_the_process_alive() -> None:
    program = "from pixy_web.threads.threads import Threads; Threads(2, 'pixy-test'); print('done')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "done\n"
