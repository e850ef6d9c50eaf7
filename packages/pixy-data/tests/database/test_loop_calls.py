"""Queries on the event loop: what runs meanwhile, what runs elsewhere, what breaks."""

import asyncio
import contextvars
import gc
import os
import select
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pixy_core import DBConnectionError
from pixy_data import Database, DatabaseContext, Queries, open_database

if TYPE_CHECKING:
    from mysql_server import MySQLServer

T = TypeVar("T")
WHO = "SELECT CONNECTION_ID()"
SLEEP = "SELECT SLEEP(:seconds)"


class Elsewhere:
    """Threads, and how often they were needed."""

    def __init__(self) -> None:
        self.count = 0
        self._threads = ThreadPoolExecutor(4)

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        self.count += 1
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)


class LibuvLoop(asyncio.SelectorEventLoop):
    """Does to a descriptor what uvloop does: uv_poll_init makes it non-blocking."""

    def add_reader(self, fd: Any, callback: Callable[..., Any], *arguments: Any) -> None:
        os.set_blocking(fd, False)
        super().add_reader(fd, callback, *arguments)


def on_loop(test: Callable[[Queries, Elsewhere], Awaitable[T]], size: int = 4) -> T:
    elsewhere = Elsewhere()

    async def run() -> T:
        return await test(Queries(size, elsewhere.run), elsewhere)

    with asyncio.Runner(loop_factory=LibuvLoop) as runner:
        return runner.run(run())


@pytest.fixture(params=["DISABLED", "REQUIRED"])
def server_database(
    mysql_server: "MySQLServer", request: pytest.FixtureRequest
) -> Iterator[Database]:
    """A database with four open connections, in the clear and over TLS."""
    url = f"{mysql_server.create_database()}?ssl_mode={request.param}"
    database = open_database(url, read_timeout=1)
    connections = [database.connections.acquire() for _ in range(4)]
    for connection in connections:
        database.connections.release(connection)
    yield database
    database.close()


@pytest.fixture
def one_connection(server_database: Database) -> Iterator[Database]:
    """The same with a single one, which the loop and threads have to share."""
    held = [server_database.connections.acquire() for _ in range(3)]
    yield server_database
    for connection in held:
        server_database.connections.release(connection)


def fetch(database: Database, sql: str = WHO, **parameters: object) -> Any:
    row = database.fetch_one(sql, parameters)
    assert row is not None
    return row[0]


def find_thread(database: Database) -> int:
    fetch(database)
    return threading.get_ident()


def test_a_call_runs_in_this_thread_with_the_callers_context() -> None:
    name = contextvars.ContextVar("name", default="nobody")

    async def test(calls: Queries, elsewhere: Elsewhere) -> list[tuple[str, int]]:
        def look() -> tuple[str, int]:
            return name.get(), threading.get_ident()

        first = await calls.run(look)
        name.set("ada")
        return [first, await calls.run(look)]

    here = threading.get_ident()
    assert on_loop(test) == [("nobody", here), ("ada", here)]


def test_a_failure_is_raised_where_the_call_is_awaited() -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await calls.run(lambda: 1 / 0)

    on_loop(test, size=1)


def test_the_loop_goes_on_while_a_server_works(server_database: Database) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> tuple[int, int]:
        ask = partial(fetch, server_database, SLEEP, seconds=0.5)
        waits = [asyncio.create_task(calls.run(ask)) for _ in range(4)]
        turns = 0
        while not all(wait.done() for wait in waits):
            turns += 1
            await asyncio.sleep(0.01)
        return turns, elsewhere.count

    turns, count = on_loop(test)
    assert turns > 5
    assert count == 0


def test_each_of_many_calls_gets_its_own_answer(server_database: Database) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> list[Any]:
        asks = (partial(fetch, server_database, "SELECT :n", n=n) for n in range(200))
        answers = await asyncio.gather(*map(calls.run, asks))
        assert elsewhere.count == 0
        return answers

    assert [int(answer) for answer in on_loop(test)] == list(range(200))


def test_what_would_stop_the_loop_runs_elsewhere(server_database: Database) -> None:
    def begin() -> int:
        with DatabaseContext(server_database):
            return threading.get_ident()

    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        here = threading.get_ident()
        held = [server_database.connections.acquire() for _ in range(4)]
        assert await calls.run(find_thread, server_database) != here
        for connection in held:
            server_database.connections.release(connection)
        assert await calls.run(find_thread, server_database) == here
        assert await calls.run(begin) != here

    on_loop(test)


def test_a_connection_that_the_server_closes_is_replaced(
    mysql_server: "MySQLServer", server_database: Database
) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        first = await calls.run(fetch, server_database)
        mysql_server.execute(f"KILL {first}")
        second = await calls.run(fetch, server_database)
        assert second != first
        for _ in range(5):
            assert await calls.run(fetch, server_database) == second
        # the loop goes on with the one that a thread has opened, though the others are suspect
        assert elsewhere.count == 1

    on_loop(test)


def test_a_connection_that_is_lost_during_a_query_is_replaced(
    mysql_server: "MySQLServer", server_database: Database
) -> None:
    def ask() -> tuple[Any, Any]:
        return fetch(server_database), fetch(server_database, SLEEP, seconds=0.5)

    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        first = await calls.run(fetch, server_database)
        asking = asyncio.create_task(calls.run(ask))
        await asyncio.sleep(0.2)
        mysql_server.execute(f"KILL {first}")
        second, _ = await asking
        assert second != first

    on_loop(test)


def test_a_server_that_is_silent_is_given_up(
    mysql_server: "MySQLServer", server_database: Database
) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        before = await calls.run(fetch, server_database)
        mysql_server.suspend()
        try:
            with pytest.raises(DBConnectionError):
                await calls.run(fetch, server_database)
        finally:
            mysql_server.resume()
        assert elsewhere.count == 0
        assert await calls.run(fetch, server_database) != before

    on_loop(test)


def test_who_waits_no_longer_leaves_a_sound_connection(server_database: Database) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        asking = asyncio.create_task(calls.run(partial(fetch, server_database, SLEEP, seconds=0.3)))
        await asyncio.sleep(0.05)
        asking.cancel()
        asks = (partial(fetch, server_database, "SELECT :n", n=n) for n in range(20))
        assert [int(n) for n in await asyncio.gather(*map(calls.run, asks))] == list(range(20))

    on_loop(test, size=1)


def test_loop_and_threads_take_turns_with_a_connection(one_connection: Database) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        for _ in range(5):
            one = await calls.run(fetch, one_connection)
            other = await elsewhere.run(fetch, one_connection)
            assert one == other
            await asyncio.sleep(0.01)

    on_loop(test)


def test_a_connection_of_the_loop_is_a_threads_as_it_was(one_connection: Database) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        await calls.run(fetch, one_connection)
        slow = partial(fetch, one_connection, SLEEP, seconds=0.3)
        assert await elsewhere.run(slow) == 0

    on_loop(test)


def test_an_answer_that_a_thread_has_read_is_taken_for_no_other(one_connection: Database) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> int:
        await calls.run(fetch, one_connection)
        connection = one_connection.connections.acquire()
        driver = connection.driver
        driver.query(b"SELECT 1")
        driver.store_result()
        driver.send_query(b"SELECT 1")
        select.select([driver.fileno()], [], [])
        # the loop sees the answer here, and will say so once this has gone on
        await asyncio.sleep(0)
        driver.read_query_result()
        driver.store_result()
        one_connection.connections.release(connection)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.01)

        counting = asyncio.create_task(count())
        await calls.run(partial(fetch, one_connection, SLEEP, seconds=0.5))
        counting.cancel()
        return turns

    assert on_loop(test) > 5


def test_loop_and_threads_keep_to_their_own_connections(server_database: Database) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        seen = [
            (await calls.run(fetch, server_database), await elsewhere.run(fetch, server_database))
            for _ in range(3)
        ]
        assert len(set(seen)) == 1
        assert seen[0][0] != seen[0][1]

    on_loop(test)


def test_over_the_limit_a_call_is_refused_and_later_ones_are_not(
    server_database: Database,
) -> None:
    async def run() -> None:
        calls = Queries(1, Elsewhere().run, limit=2, refusal=LookupError)
        ask = partial(fetch, server_database, SLEEP, seconds=0.3)
        waiting = [asyncio.create_task(calls.run(ask)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(LookupError):
            await calls.run(ask)
        assert await asyncio.gather(*waiting) == [0, 0, 0]
        assert await calls.run(ask) == 0

    asyncio.run(run())


def test_a_call_that_waits_too_long_or_for_nobody_is_not_run(server_database: Database) -> None:
    run: list[int] = []

    async def wait() -> None:
        calls = Queries(1, Elsewhere().run, patience=0.1, refusal=LookupError)
        slow = partial(fetch, server_database, SLEEP, seconds=0.8)
        running = asyncio.create_task(calls.run(slow))
        await asyncio.sleep(0)
        cancelled = asyncio.create_task(calls.run(run.append, 1))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(LookupError):
            await calls.run(run.append, 2)
        assert await running == 0
        await calls.run(run.append, 3)

    asyncio.run(wait())
    assert run == [3]


def test_a_call_that_had_to_wait_is_checked_before_it_runs(server_database: Database) -> None:
    run: list[int] = []

    def check() -> None:
        raise LookupError

    async def wait() -> None:
        calls = Queries(1, Elsewhere().run, check=check)
        running = asyncio.create_task(
            calls.run(partial(fetch, server_database, SLEEP, seconds=0.2))
        )
        await asyncio.sleep(0)
        with pytest.raises(LookupError):
            await calls.run(run.append, 1)
        assert await running == 0
        await calls.run(run.append, 2)

    asyncio.run(wait())
    assert run == [2]


def test_a_loop_that_ends_leaves_nothing_open(server_database: Database) -> None:
    async def test(calls: Queries, elsewhere: Elsewhere) -> None:
        await calls.run(fetch, server_database)
        asyncio.get_running_loop().call_soon(
            lambda: asyncio.create_task(
                calls.run(partial(fetch, server_database, SLEEP, seconds=0.5))
            )
        )
        await asyncio.sleep(0.05)

    on_loop(test)
    gc.collect()
    assert fetch(server_database)
