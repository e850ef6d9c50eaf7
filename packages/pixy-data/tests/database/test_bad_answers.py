"""Answers that stop half-way, drip, come twice or not at all, on the event loop and in threads."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from new_databases import create_tables
from pixy_core import DBConnectionError, ImageDetail, User
from pixy_data import Database, ImageRepository, UserRepository, open_database
from pixy_data.database.greenlets import GreenletPool
from tcp_proxy import Alter, TcpProxy, drip, send_half, send_nothing, send_twice

if TYPE_CHECKING:
    from mysql_server import MySQLServer

T = TypeVar("T")


@pytest.fixture
def proxy(mysql_server: "MySQLServer") -> Iterator[TcpProxy]:
    with TcpProxy(mysql_server.port) as running:
        yield running


def open_through(
    proxy: TcpProxy, mysql_server: "MySQLServer", *, tls: bool = False, read_timeout: int = 10
) -> Database:
    url = mysql_server.create_database()
    create_tables(url)
    url = url.replace(f":{mysql_server.port}/", f":{proxy.port}/")
    database = open_database(
        f"{url}?ssl_mode={'REQUIRED' if tls else 'DISABLED'}",
        read_timeout=read_timeout,
        connect_timeout=2,
    )
    connections = [database.runner.acquire() for _ in range(4)]
    for connection in connections:
        database.runner.release(connection)
    return database


@pytest.fixture
def database(proxy: TcpProxy, mysql_server: "MySQLServer") -> Iterator[Database]:
    opened = open_through(proxy, mysql_server)
    yield opened
    opened.close()


def ask(database: Database, n: int) -> int:
    row = database.fetch_one("SELECT :n, 'marked'", {"n": n})
    assert row is not None
    return int(row[0])


def on_loop(test: Callable[[GreenletPool], Awaitable[T]]) -> tuple[T, int]:
    """Return what a test returned, and how many of its calls ran in threads."""
    count = 0

    async def fallback(function: Callable[..., Any], *arguments: object) -> Any:
        nonlocal count
        count += 1
        return await asyncio.to_thread(function, *arguments)

    async def run() -> T:
        return await test(GreenletPool(4, fallback))

    return asyncio.run(run()), count


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("alter", [send_half, drip])
def test_an_answer_that_does_not_end_is_asked_for_again_in_a_thread(
    proxy: TcpProxy, mysql_server: "MySQLServer", alter: Alter, tls: bool
) -> None:
    database = open_through(proxy, mysql_server, tls=tls)

    async def test(pool: GreenletPool) -> int:
        assert await pool.run(ask, database, 1) == 1
        proxy.alter_answers(b"" if tls else b"marked", alter, count=1)
        return await pool.run(ask, database, 2)

    # asked again in a thread: the loop waited neither for the rest nor for the read timeout
    assert on_loop(test) == (2, 1)
    database.close()


def test_when_many_answers_block_the_loop_it_is_blocked_once(
    proxy: TcpProxy, database: Database
) -> None:
    async def test(pool: GreenletPool) -> list[int]:
        proxy.alter_answers(b"marked", send_half, count=4)
        return await asyncio.gather(*(pool.run(ask, database, n) for n in range(4)))

    assert on_loop(test) == ([0, 1, 2, 3], 4)


@pytest.mark.parametrize("alter", [send_half, drip])
def test_an_answer_that_does_not_end_is_a_connection_error_in_a_thread(
    proxy: TcpProxy, mysql_server: "MySQLServer", alter: Alter
) -> None:
    database = open_through(proxy, mysql_server, read_timeout=1)
    proxy.alter_answers(b"marked", alter, count=1)
    with pytest.raises(DBConnectionError):
        ask(database, 1)
    assert ask(database, 2) == 2
    database.close()


def test_an_answer_that_comes_twice_answers_one_query_on_the_loop(
    proxy: TcpProxy, database: Database
) -> None:
    async def test(pool: GreenletPool) -> list[int]:
        proxy.alter_answers(b"marked", send_twice, count=1)
        return [await pool.run(ask, database, n) for n in range(20)]

    assert on_loop(test)[0] == list(range(20))


def test_an_answer_that_comes_twice_answers_one_query_in_a_thread(
    proxy: TcpProxy, database: Database
) -> None:
    proxy.alter_answers(b"marked", send_twice, count=1)
    assert [ask(database, n) for n in range(20)] == list(range(20))


def test_an_answer_that_comes_without_a_query_answers_no_query(
    proxy: TcpProxy, database: Database
) -> None:
    def send_late(block: bytes, send: Callable[[bytes], None]) -> None:
        send(block)
        threading.Timer(0.1, send, [block]).start()

    async def test(pool: GreenletPool) -> list[int]:
        proxy.alter_answers(b"marked", send_late, count=1)
        first = await pool.run(ask, database, 1)
        await asyncio.sleep(0.3)
        return [first, await pool.run(ask, database, 2)]

    assert on_loop(test)[0] == [1, 2]


def test_a_row_of_another_image_or_user_is_not_an_answer(
    proxy: TcpProxy, database: Database
) -> None:
    users, images = UserRepository(database), ImageRepository(database)
    anna, bert = (
        users.insert_user(User(username=name, password="hash", class_key="red"))
        for name in ("anna", "bert")
    )
    mine, theirs = (insert_image(images, user) for user in (anna, bert))

    def answer_another(ask: Callable[[], object], other: str, wanted: str) -> Alter:
        """Replace the server's answer by that to the same query about another image or user."""
        return lambda block, send: send(block.replace(wanted.encode(), other.encode()))

    for find, wanted, other in (
        (lambda: images.find_image(mine), mine, theirs),
        (lambda: images.find_visible_image(mine, anna), mine, theirs),
        (lambda: users.authenticate_user("anna"), "anna", "bert"),
        (lambda: users.authenticate_viewer("anna", mine), mine, theirs),
        (lambda: users.authenticate_viewer("anna", mine), "anna", "bert"),
    ):
        expected = find()
        proxy.alter_answers(wanted.encode(), answer_another(find, other, wanted), count=1)
        assert find() == expected


def insert_image(images: ImageRepository, owner: User) -> str:
    guid = f"00000000-0000-4000-8000-{ord(owner.username[0]):012d}"
    image = ImageDetail(
        prompt="a lighthouse",
        guid=guid,
        filename=f"{guid}.png",
        owner=owner.username,
        media_type="image/png",
        width=1,
        height=1,
        size=1,
        sha256="0" * 64,
        generator="test",
        model="test",
    )
    return images.insert_image(image, owner, datetime.now(UTC)).guid


def test_while_the_server_does_not_answer_one_thread_asks_and_the_others_fail_at_once(
    proxy: TcpProxy, mysql_server: "MySQLServer"
) -> None:
    database = open_through(proxy, mysql_server, read_timeout=1)
    proxy.alter_answers(b"", send_nothing)
    with pytest.raises(DBConnectionError):
        ask(database, 1)
    opened = proxy.accepted
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask, database, n) for n in range(8)]
        assert {type(each.exception()) for each in asked} == {DBConnectionError}
    assert proxy.accepted == opened + 1
    proxy.alter_answers(b"", send_nothing, count=0)
    assert ask(database, 3) == 3
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(partial(ask, database), range(4))) == [0, 1, 2, 3]
    database.close()


def test_a_slow_query_does_not_open_the_circuit_breaker(
    proxy: TcpProxy, mysql_server: "MySQLServer"
) -> None:
    database = open_through(proxy, mysql_server, read_timeout=1)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(database.fetch_one, "SELECT SLEEP(30)", {})
        while not slow.done():
            assert ask(database, 1) == 1
        assert isinstance(slow.exception(), DBConnectionError)
    assert ask(database, 2) == 2
    database.close()


def test_after_a_lost_connection_calls_run_on_the_loop_again(
    mysql_server: "MySQLServer", database: Database
) -> None:
    def who() -> object:
        return database.fetch_one("SELECT CONNECTION_ID()", {})

    async def test(pool: GreenletPool) -> None:
        row = await pool.run(who)
        mysql_server.execute(f"KILL {row[0]}")  # type: ignore[index]
        for _ in range(20):
            await pool.run(who)

    assert on_loop(test) == (None, 1)


def test_an_answer_that_comes_twice_while_connecting_answers_no_query(
    proxy: TcpProxy, database: Database
) -> None:
    taken = [database.runner.acquire() for _ in range(4)]
    for n in range(4):
        # asked on a new connection
        proxy.alter_answers(b"SET SESSION", send_twice, count=1)
        assert ask(database, n) == n
        taken.append(database.runner.acquire())
    for connection in taken:
        database.runner.release(connection)


def test_a_row_of_another_query_is_no_answer(database: Database) -> None:
    for is_answer in (lambda row: row[5] == 1, lambda row: row[0].strip() == "1"):
        with pytest.raises(DBConnectionError):
            database.fetch_one("SELECT 1", {}, is_answer)
    assert ask(database, 1) == 1
