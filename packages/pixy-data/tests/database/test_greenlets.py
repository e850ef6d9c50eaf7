"""Queries on the event loop: concurrency, the fallback into threads, lost connections."""

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

from new_databases import create_tables
from pixy_core import DBConnectionError
from pixy_data import Database, DatabaseContext, open_database
from pixy_data.database.greenlets import GreenletPool

if TYPE_CHECKING:
    from mysql_server import MySQLServer

T = TypeVar("T")
WHO = "SELECT CONNECTION_ID()"
SLEEP = "SELECT SLEEP(:seconds)"


class Fallback:
    """Threads, and how many calls they ran."""

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


def on_loop(test: Callable[[GreenletPool, Fallback], Awaitable[T]], size: int = 4) -> T:
    fallback = Fallback()

    async def run() -> T:
        return await test(GreenletPool(size, fallback.run), fallback)

    with asyncio.Runner(loop_factory=LibuvLoop) as runner:
        return runner.run(run())


@pytest.fixture(scope="module")
def server_url(mysql_server: "MySQLServer") -> str:
    """The URL of a database with tables, for all tests of the module."""
    url = mysql_server.create_database()
    create_tables(url)
    return url


@pytest.fixture(params=["DISABLED", "REQUIRED"])
def server_database(server_url: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with four open connections, in the clear and over TLS."""
    database = open_database(f"{server_url}?ssl_mode={request.param}", read_timeout=1)
    connections = [database.runner.acquire() for _ in range(4)]
    for connection in connections:
        database.runner.release(connection)
    yield database
    database.close()


@pytest.fixture
def one_connection(server_database: Database) -> Iterator[Database]:
    """The same with one free connection, which the loop and threads have to share."""
    held = [server_database.runner.acquire() for _ in range(3)]
    yield server_database
    for connection in held:
        server_database.runner.release(connection)


def fetch(database: Database, sql: str = WHO, **parameters: object) -> Any:
    row = database.fetch_one(sql, parameters)
    assert row is not None
    return row[0]


def find_thread(database: Database) -> int:
    fetch(database)
    return threading.get_ident()


def test_a_call_runs_in_this_thread_with_the_callers_context() -> None:
    name = contextvars.ContextVar("name", default="nobody")

    async def test(pool: GreenletPool, fallback: Fallback) -> list[tuple[str, int]]:
        def look() -> tuple[str, int]:
            return name.get(), threading.get_ident()

        first = await pool.run(look)
        name.set("ada")
        return [first, await pool.run(look)]

    here = threading.get_ident()
    assert on_loop(test) == [("nobody", here), ("ada", here)]


def test_a_failure_is_raised_where_the_call_is_awaited() -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await pool.run(lambda: 1 / 0)

    on_loop(test, size=1)


def test_the_loop_goes_on_while_the_server_works(server_database: Database) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> tuple[int, int]:
        ask = partial(fetch, server_database, SLEEP, seconds=0.5)
        waits = [asyncio.create_task(pool.run(ask)) for _ in range(4)]
        turns = 0
        while not all(wait.done() for wait in waits):
            turns += 1
            await asyncio.sleep(0.01)
        return turns, fallback.count

    turns, count = on_loop(test)
    assert turns > 5
    assert count == 0


def test_each_of_many_calls_gets_its_own_answer(server_database: Database) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> list[Any]:
        asks = (partial(fetch, server_database, "SELECT :n", n=n) for n in range(200))
        answers = await asyncio.gather(*map(pool.run, asks))
        assert fallback.count == 0
        return answers

    assert [int(answer) for answer in on_loop(test)] == list(range(200))


def test_a_call_that_would_block_the_loop_runs_in_a_thread(server_database: Database) -> None:
    def begin() -> int:
        with DatabaseContext(server_database):
            return threading.get_ident()

    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        here = threading.get_ident()
        held = [server_database.runner.acquire() for _ in range(4)]
        assert await pool.run(find_thread, server_database) != here
        for connection in held:
            server_database.runner.release(connection)
        assert await pool.run(find_thread, server_database) == here
        assert await pool.run(begin) != here

    on_loop(test)


def test_a_connection_that_the_server_closes_is_replaced(
    mysql_server: "MySQLServer", server_database: Database
) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        first = await pool.run(fetch, server_database)
        mysql_server.execute(f"KILL {first}")
        second = await pool.run(fetch, server_database)
        assert second != first
        for _ in range(5):
            assert await pool.run(fetch, server_database) == second
        # the loop goes on with the connection that a thread opened, though the others are stale
        assert fallback.count == 1

    on_loop(test)


def test_a_connection_that_is_lost_during_a_query_is_replaced(
    mysql_server: "MySQLServer", server_database: Database
) -> None:
    def ask() -> tuple[Any, Any]:
        return fetch(server_database), fetch(server_database, SLEEP, seconds=0.5)

    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        first = await pool.run(fetch, server_database)
        asking = asyncio.create_task(pool.run(ask))
        await asyncio.sleep(0.2)
        mysql_server.execute(f"KILL {first}")
        second, _ = await asking
        assert second != first

    on_loop(test)


def test_a_server_that_does_not_answer_is_a_connection_error(
    mysql_server: "MySQLServer", server_database: Database
) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        before = await pool.run(fetch, server_database)
        mysql_server.suspend()
        try:
            with pytest.raises(DBConnectionError):
                await pool.run(fetch, server_database)
        finally:
            mysql_server.resume()
        assert fallback.count == 0
        assert await pool.run(fetch, server_database) != before

    on_loop(test)


def test_a_cancelled_call_leaves_a_usable_connection(server_database: Database) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        asking = asyncio.create_task(pool.run(partial(fetch, server_database, SLEEP, seconds=0.3)))
        await asyncio.sleep(0.05)
        asking.cancel()
        asks = (partial(fetch, server_database, "SELECT :n", n=n) for n in range(20))
        assert [int(n) for n in await asyncio.gather(*map(pool.run, asks))] == list(range(20))

    on_loop(test, size=1)


def test_the_loop_and_threads_can_share_a_connection(one_connection: Database) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        for _ in range(5):
            one = await pool.run(fetch, one_connection)
            other = await fallback.run(fetch, one_connection)
            assert one == other
            await asyncio.sleep(0.01)

    on_loop(test)


def test_a_thread_can_use_a_connection_of_the_loop(one_connection: Database) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        await pool.run(fetch, one_connection)
        slow = partial(fetch, one_connection, SLEEP, seconds=0.3)
        assert await fallback.run(slow) == 0

    on_loop(test)


def test_an_answer_that_a_thread_has_read_is_taken_for_no_other(one_connection: Database) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> int:
        await pool.run(fetch, one_connection)
        connection = one_connection.runner.acquire()
        driver = connection.driver
        driver.query(b"SELECT 1")
        driver.store_result()
        driver.send_query(b"SELECT 1")
        select.select([driver.fileno()], [], [])
        # the loop sees the answer here, and will say so once this has gone on
        await asyncio.sleep(0)
        driver.read_query_result()
        driver.store_result()
        one_connection.runner.release(connection)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.01)

        counting = asyncio.create_task(count())
        await pool.run(partial(fetch, one_connection, SLEEP, seconds=0.5))
        counting.cancel()
        return turns

    assert on_loop(test) > 5


def test_the_loop_and_threads_keep_their_own_connections(server_database: Database) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        seen = [
            (await pool.run(fetch, server_database), await fallback.run(fetch, server_database))
            for _ in range(3)
        ]
        assert len(set(seen)) == 1
        assert seen[0][0] != seen[0][1]

    on_loop(test)


def test_a_call_over_the_limit_is_refused_and_later_ones_run(
    server_database: Database,
) -> None:
    async def run() -> None:
        pool = GreenletPool(1, Fallback().run, limit=2, refusal=LookupError)
        ask = partial(fetch, server_database, SLEEP, seconds=0.3)
        waiting = [asyncio.create_task(pool.run(ask)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(LookupError):
            await pool.run(ask)
        assert await asyncio.gather(*waiting) == [0, 0, 0]
        assert await pool.run(ask) == 0

    asyncio.run(run())


def test_a_call_that_waits_too_long_or_is_cancelled_is_not_run(server_database: Database) -> None:
    run: list[int] = []

    async def wait() -> None:
        pool = GreenletPool(1, Fallback().run, patience=0.1, refusal=LookupError)
        slow = partial(fetch, server_database, SLEEP, seconds=0.8)
        running = asyncio.create_task(pool.run(slow))
        await asyncio.sleep(0)
        cancelled = asyncio.create_task(pool.run(run.append, 1))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(LookupError):
            await pool.run(run.append, 2)
        assert await running == 0
        await pool.run(run.append, 3)

    asyncio.run(wait())
    assert run == [3]


def test_a_call_that_had_to_wait_is_checked_before_it_runs(server_database: Database) -> None:
    run: list[int] = []

    def check() -> None:
        raise LookupError

    async def wait() -> None:
        pool = GreenletPool(1, Fallback().run, check=check)
        running = asyncio.create_task(pool.run(partial(fetch, server_database, SLEEP, seconds=0.2)))
        await asyncio.sleep(0)
        with pytest.raises(LookupError):
            await pool.run(run.append, 1)
        assert await running == 0
        await pool.run(run.append, 2)

    asyncio.run(wait())
    assert run == [2]


def test_a_closed_loop_leaves_nothing_open(server_database: Database) -> None:
    async def test(pool: GreenletPool, fallback: Fallback) -> None:
        await pool.run(fetch, server_database)
        asyncio.get_running_loop().call_soon(
            lambda: asyncio.create_task(
                pool.run(partial(fetch, server_database, SLEEP, seconds=0.5))
            )
        )
        await asyncio.sleep(0.05)

    on_loop(test)
    gc.collect()
    assert fetch(server_database)
