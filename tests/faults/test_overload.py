"""Databases that answer wrongly or not at all, and overload by one kind: rows F70 to F75."""

import asyncio
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import pytest

from database_sessions import connect
from deployment import Deployment, wait_until
from tcp_proxy import Alter, TcpProxy, drip, send_half, send_twice

if TYPE_CHECKING:
    from mysql_server import MySQLServer

MANY = 40
"""More than the threads for any kind of work."""


@pytest.fixture
def proxied(
    mysql_server: "MySQLServer", deploy: Callable[..., Deployment]
) -> Iterator[tuple[Deployment, TcpProxy]]:
    """A running deployment that reaches its database through a proxy."""
    with TcpProxy(mysql_server.port) as proxy:
        url = mysql_server.create_database()
        through = url.replace(f":{mysql_server.port}/", f":{proxy.port}/")
        deployment = deploy(url, PIXY_DATABASE_URL=through)
        deployment.pixy.start()
        yield deployment, proxy
        deployment.pixy.stop()
        deployment.pixy.environment["PIXY_DATABASE_URL"] = url


def make_public(deployment: Deployment, prompt: str = "an image") -> str:
    guid = deployment.make_image(prompt)
    with deployment.client() as ada:
        assert ada.patch(f"/image/{guid}", json={"visibility": "public"}).status_code == 200
    return guid


async def ask_at_once(url: str, path: str, count: int) -> list[bytes]:
    """Send many requests at once, and return their complete answers."""
    address = urlsplit(url)

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        try:
            return await reader.read()
        finally:
            writer.close()

    return await asyncio.wait_for(asyncio.gather(*(ask() for _ in range(count))), 60)


@pytest.mark.fault("F70")
@pytest.mark.parametrize("alter", [send_half, drip])
def test_the_database_sends_an_incomplete_answer(
    proxied: tuple[Deployment, TcpProxy], alter: Alter
) -> None:
    deployment, proxy = proxied
    guid = make_public(deployment)
    with deployment.client(None) as anyone, ThreadPoolExecutor(4) as threads:
        assert anyone.get(f"/image/{guid}").status_code == 200
        proxy.alter_answers(guid.encode(), alter, count=1)
        asked = [threads.submit(anyone.get, f"/image/{guid}") for _ in range(4)]
        assert anyone.get("/health/live").status_code == 200
        assert [each.result().status_code for each in asked] == [200] * 4
        assert [anyone.get(f"/image/{guid}").json()["guid"] for _ in range(20)] == [guid] * 20


@pytest.mark.fault("F71")
def test_the_database_sends_an_answer_twice(proxied: tuple[Deployment, TcpProxy]) -> None:
    deployment, proxy = proxied
    public, private = make_public(deployment), deployment.make_image("private")
    with deployment.client() as ada, deployment.client(None) as anyone:
        for path in ("", "/content"):
            assert ada.get(f"/image/{private}{path}").status_code == 200
            proxy.alter_answers(private.encode(), send_twice, count=3)
            for _ in range(10):
                assert ada.get(f"/image/{private}").json()["guid"] == private
                assert ada.get(f"/image/{public}").json()["guid"] == public
                assert anyone.get(f"/image/{private}{path}").status_code == 404
                assert anyone.get(f"/image/{public}{path}").status_code == 200


@pytest.mark.fault("F72")
@pytest.mark.parametrize("path", ["/image/{guid}", "/image"])
def test_many_reads_while_the_database_is_silent(
    mysql_server: "MySQLServer", deployment: Deployment, path: str
) -> None:
    guid = make_public(deployment)
    path = path.format(guid=guid)
    mysql_server.suspend()
    try:
        answers = asyncio.run(ask_at_once(deployment.pixy.url, path, 400))
        assert {answer[:13] for answer in answers} == {b"HTTP/1.1 503 "}
        codes = Counter(re.findall(rb'"code":"(\w+)"', b"".join(answers)))
        # the queue has at most 256; requests that ran get an error of the database
        assert codes[b"server_busy"] > 100
        assert codes.keys() <= {b"server_busy", b"database_unavailable", b"database_busy"}
        assert all(b"\r\nretry-after: " in answer.lower() for answer in answers)
    finally:
        mysql_server.resume()
    with deployment.client(None) as anyone:
        wait_until(lambda: anyone.get(f"/image/{guid}").status_code == 200)
        assert anyone.get("/image").status_code == 200


@pytest.mark.fault("F73")
def test_clients_leave_while_the_database_is_silent(
    proxied: tuple[Deployment, TcpProxy], mysql_server: "MySQLServer"
) -> None:
    deployment, proxy = proxied
    guid = make_public(deployment)
    address = urlsplit(deployment.pixy.url)
    head = f"GET /image/{guid} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    async def ask_and_leave() -> None:
        writers = []
        for _ in range(200):
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(head)
            writers.append(writer)
        # the server has started all of them
        begun = f"REQUEST START GET /image/{guid}"
        await asyncio.to_thread(wait_until, lambda: deployment.pixy.log.count(begun) >= 200)
        for writer in writers:
            # reset: a client that only ends its side may wait for its answer
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()

    mysql_server.suspend()
    try:
        before = proxy.count_requests(guid.encode())
        asyncio.run(ask_and_leave())
        with deployment.client(None) as anyone:
            assert anyone.get("/health/live").status_code == 200
    finally:
        mysql_server.resume()
    wait_until(lambda: not deployment.requests_without_end())
    # the running requests asked the database once or twice; the waiting ones did not
    assert proxy.count_requests(guid.encode()) - before < 50


def ask_many(
    threads: ThreadPoolExecutor, deployment: Deployment, ask: Callable[[], httpx2.Response]
) -> list[Future[httpx2.Response]]:
    """Send the same request many times, and wait until the server has all of them."""
    before = deployment.pixy.log.count("REQUEST START")
    asked = [threads.submit(ask) for _ in range(MANY)]
    wait_until(lambda: deployment.pixy.log.count("REQUEST START") >= before + MANY)
    return asked


def assert_reads_are_answered(deployment: Deployment, guid: str) -> None:
    with deployment.client() as ada, deployment.client(None) as anyone:
        for client in (ada, anyone):
            for path in (f"/image/{guid}", f"/image/{guid}/content", "/image"):
                assert client.get(path).status_code == 200


@pytest.mark.fault("F74")
def test_anonymous_searches_take_long(
    mysql_server: "MySQLServer", deploy: Callable[..., Deployment]
) -> None:
    assert mysql_server
    deployment = deploy()
    deployment.pixy.start()
    guid = make_public(deployment, "a lighthouse")
    with (
        ThreadPoolExecutor(MANY) as threads,
        connect(deployment.database_url) as session,
        deployment.client(None) as anyone,
    ):
        session.cursor().execute("LOCK TABLES image_words WRITE")
        asked = ask_many(threads, deployment, lambda: anyone.get("/image?q=light*"))
        assert_reads_are_answered(deployment, guid)
        # reads did not wait until it was their turn after these
        assert sum(each.done() for each in asked) < MANY // 2
        session.cursor().execute("UNLOCK TABLES")
        assert {each.result().status_code for each in asked} <= {200, 503}
        assert len(anyone.get("/image?q=light*").json()) == 1


@pytest.mark.fault("F75")
def test_writes_wait_for_a_lock(deployment: Deployment) -> None:
    guid = make_public(deployment)
    is_sqlite = deployment.database_url.startswith("sqlite")
    lock = f"SELECT id FROM images WHERE guid = '{guid}' FOR UPDATE"
    with (
        ThreadPoolExecutor(MANY) as threads,
        connect(deployment.database_url) as session,
        deployment.client() as ada,
    ):
        session.cursor().execute("BEGIN IMMEDIATE" if is_sqlite else lock)
        change = {"visibility": "class"}
        asked = ask_many(threads, deployment, lambda: ada.patch(f"/image/{guid}", json=change))
        assert_reads_are_answered(deployment, guid)
        # reads did not wait until it was their turn after these
        assert sum(each.done() for each in asked) < MANY // 2
        session.rollback()
        assert {each.result().status_code for each in asked} <= {200, 503}
        assert ada.patch(f"/image/{guid}", json=change).status_code == 200
