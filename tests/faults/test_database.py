"""Databases that are down, lost, slow, full or locked: rows F06 to F14."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import pytest

from database_sessions import connect
from deployment import Deployment, wait_until
from tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from mysql_server import MySQLServer

LOCK_OWNER = """
    SELECT username FROM users FORCE INDEX (uq_users_class) WHERE username = 'ada' FOR UPDATE
"""


def is_refused(answer: httpx2.Response, *codes: str) -> bool:
    """Return whether an answer is 503 with one of these codes and Retry-After."""
    known = codes or ("database_unavailable", "database_busy")
    assert answer.status_code == 503, answer.text
    return answer.json()["code"] in known and int(answer.headers["retry-after"]) > 0


def through(url: str, proxy: TcpProxy) -> str:
    """Return a database's URL with the port of a proxy instead of its own."""
    return url.replace(f":{urlsplit(url).port}/", f":{proxy.port}/")


@pytest.fixture
def server(mysql_server: "MySQLServer", deployment: Deployment) -> Iterator["MySQLServer"]:
    """The server of a deployment's database; it is restarted after the test."""
    yield mysql_server
    mysql_server.restart()


@pytest.fixture
def proxied(
    mysql_server: "MySQLServer", deploy: Callable[..., Deployment]
) -> Iterator[tuple[Deployment, TcpProxy]]:
    """A running deployment that reaches its database through a proxy."""
    with TcpProxy(mysql_server.port) as proxy:
        url = mysql_server.create_database()
        deployment = deploy(url, PIXY_DATABASE_URL=through(url, proxy))
        deployment.pixy.start()
        yield deployment, proxy
        deployment.pixy.stop()
        deployment.pixy.environment["PIXY_DATABASE_URL"] = url


@pytest.mark.fault("F06")
def test_the_database_is_down_at_the_start(server: "MySQLServer", deployment: Deployment) -> None:
    guid = deployment.make_image("before")
    deployment.pixy.stop()
    server.kill()
    deployment.pixy.start(until="/health/live")
    paid = deployment.provider.paid_requests
    with deployment.client() as ada:
        for answer in (
            ada.get("/health/ready"),
            ada.get("/image"),
            ada.get(f"/image/{guid}/content"),
            ada.post("/image", json={"prompt": "not now"}),
        ):
            assert is_refused(answer)
        server.start()
        wait_until(lambda: ada.get("/health/ready").status_code == 200)
        assert ada.get(f"/image/{guid}").status_code == 200
    assert deployment.provider.paid_requests == paid


@pytest.mark.fault("F07")
def test_the_database_is_restarted_while_idle(
    server: "MySQLServer", deployment: Deployment
) -> None:
    guid = deployment.make_image("before")
    server.restart()
    with deployment.client() as ada:
        assert [ada.get(f"/image/{guid}").status_code for _ in range(20)] == [200] * 20
    deployment.make_image("after")


@pytest.mark.fault("F08")
def test_the_database_is_lost_before_the_provider_is_asked(
    server: "MySQLServer", deployment: Deployment
) -> None:
    deployment.make_image("before")
    paid, rows = deployment.provider.paid_requests, len(deployment.rows())
    server.kill()
    assert is_refused(deployment.post("not now"), "database_unavailable")
    server.start()
    assert deployment.provider.paid_requests == paid
    assert len(deployment.rows()) == rows


@pytest.mark.fault("F09")
def test_the_database_is_lost_while_the_provider_works(
    server: "MySQLServer", deployment: Deployment
) -> None:
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            waiting = threads.submit(deployment.post, "made without a database", "k9")
            deployment.provider.wait_for_requests(paid + 1)
            server.kill()
        answer = waiting.result()
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    guid = answer.json()["guid"]
    assert answer.headers["location"] == f"/image/{guid}"
    assert deployment.journal() == {guid}
    server.start()
    wait_until(lambda: guid in deployment.rows())
    again = deployment.post("made without a database", "k9")
    assert (again.status_code, again.json()["guid"]) == (201, guid)
    assert deployment.provider.paid_requests == paid + 1


@pytest.mark.fault("F10")
def test_the_acknowledgement_of_the_commit_is_lost(
    proxied: tuple[Deployment, TcpProxy],
) -> None:
    deployment, proxy = proxied
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            waiting = threads.submit(deployment.post, "committed, and nobody is told")
            deployment.provider.wait_for_requests(paid + 1)
            # the next commit is the one of the image's row
            proxy.swallow_answer_to(b"COMMIT")
        answer = waiting.result()
    assert proxy.swallowed.is_set()
    assert answer.status_code == 201
    assert list(deployment.rows()) == [answer.json()["guid"]]


@pytest.mark.long
@pytest.mark.fault("F11")
def test_the_database_hangs(server: "MySQLServer", deployment: Deployment) -> None:
    guid = deployment.make_image("before")
    server.suspend()
    try:
        for answer in (deployment.post("not now"), deployment.post("nor now")):
            assert is_refused(answer)
    finally:
        server.resume()
    with deployment.client() as ada:
        wait_until(lambda: ada.get(f"/image/{guid}").status_code == 200)


@pytest.mark.fault("F12")
def test_the_database_accepts_no_more_connections(
    mysql_server: "MySQLServer", deploy: Callable[..., Deployment]
) -> None:
    deployment = deploy()
    user = urlsplit(deployment.database_url).username
    mysql_server.execute(f"ALTER USER '{user}'@'%' WITH MAX_USER_CONNECTIONS 1")
    paid = deployment.provider.paid_requests
    with connect(deployment.database_url):
        deployment.pixy.start(until="/health/live")
        assert is_refused(deployment.post("not now"))
        assert deployment.provider.paid_requests == paid
    mysql_server.execute(f"ALTER USER '{user}'@'%' WITH MAX_USER_CONNECTIONS 0")
    with deployment.client() as ada:
        wait_until(lambda: ada.get("/health/ready").status_code == 200)


@pytest.mark.fault("F13")
def test_the_database_is_read_only(server: "MySQLServer", deployment: Deployment) -> None:
    guid = deployment.make_image("before")
    paid, rows = deployment.provider.paid_requests, len(deployment.rows())
    server.execute("SET GLOBAL read_only = ON")
    with deployment.client() as ada:
        assert ada.get(f"/image/{guid}/content").status_code == 200
        assert len(ada.get("/image").json()) == rows
        assert is_refused(ada.post("/image", json={"prompt": "not now"}), "database_busy")
    assert deployment.provider.paid_requests == paid
    assert len(deployment.rows()) == rows
    server.execute("SET GLOBAL read_only = OFF")


@pytest.mark.fault("F14")
def test_another_session_holds_a_lock(deployment: Deployment) -> None:
    paid = deployment.provider.paid_requests
    is_sqlite = deployment.database_url.startswith("sqlite")
    # the foreign key of an image's row uses this index
    lock = "BEGIN IMMEDIATE" if is_sqlite else LOCK_OWNER
    with ThreadPoolExecutor(1) as threads, connect(deployment.database_url) as session:
        with deployment.provider.holding():
            waiting = threads.submit(deployment.post, "waits for a lock")
            deployment.provider.wait_for_requests(paid + 1)
            session.cursor().execute(lock)
        wait_until(deployment.journal, "the image to be durable")
        assert not waiting.done()
        session.rollback()
        answer = waiting.result()
    assert answer.status_code == 201
    assert answer.json()["guid"] in deployment.rows()
