"""The application's own threads: context, errors, and the limit."""

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest

from pixy_web.threads import Threads, ThreadsBusyError


def test_a_call_runs_elsewhere_with_the_callers_context() -> None:
    name = contextvars.ContextVar("name", default="nobody")
    threads = Threads(1, "pixy-test")

    async def call() -> tuple[str, str]:
        name.set("ada")
        return await threads.run(lambda: (name.get(), threading.current_thread().name))

    assert asyncio.run(call()) == ("ada", "pixy-test_0")
    threads.close()


def test_over_the_limit_a_call_is_refused_and_later_ones_are_not() -> None:
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


def test_a_call_that_fails_leaves_its_place() -> None:
    threads = Threads(1, "pixy-test", limit=1)

    async def call() -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await threads.run(lambda: 1 / 0)

    asyncio.run(call())
    threads.close()


def test_each_of_many_calls_gets_its_own_result() -> None:
    threads = Threads(4, "pixy-test")

    async def call() -> list[int]:
        return await asyncio.gather(*(threads.run(abs, -number) for number in range(5_000)))

    assert asyncio.run(call()) == list(range(5_000))
    threads.close()


def test_a_call_whose_caller_is_cancelled_runs_to_its_end_and_leaves_its_place() -> None:
    threads, release, ended = Threads(1, "pixy-test", limit=1), threading.Event(), []

    async def call() -> None:
        task = asyncio.create_task(threads.run(lambda: ended.append(release.wait(30))))
        await asyncio.sleep(0)
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


def test_closing_waits_for_what_runs_and_what_waits() -> None:
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


def test_threads_that_nobody_closed_do_not_keep_the_process() -> None:
    program = "from pixy_web.threads import Threads; Threads(2, 'pixy-test'); print('done')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "done\n"
