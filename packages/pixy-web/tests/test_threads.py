"""The application's own threads: context, errors, and the limit."""

import asyncio
import contextvars
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
