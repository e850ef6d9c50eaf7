"""A primary that another server replaces, and statements that a server refuses: F49 to F51."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import pytest

from deployment import Deployment, wait_until
from tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from mysql_server import MySQLServer

REFUSED = (1142, 1044, 1227, 1235, 3118, 1820, 1862)
BUSY = (1030, 1037, 1038, 1041, 1135, 1206, 1317, 1637, 9001)
BROKEN = (1047, 1105, 3032, 3100)


def is_refused(answer: httpx2.Response, code: str) -> bool:
    """Return whether an answer is 503 with this code and Retry-After, and reveals nothing else."""
    assert answer.status_code == 503, answer.text
    known = {"database_unavailable": "Error connecting to the database"}
    assert answer.json()["detail"] == known.get(code, "The database is busy")
    return answer.json()["code"] == code and int(answer.headers["retry-after"]) > 0


@pytest.fixture
def copy_server(
    mysql_server: "MySQLServer", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], "MySQLServer"]]:
    """Return a function that starts another server with a copy of all data."""
    copies: list[MySQLServer] = []

    def copy() -> "MySQLServer":
        copies.append(mysql_server.copy_to(tmp_path_factory.mktemp("copy")))
        copies[-1].start()
        return copies[-1]

    yield copy
    for server in copies:
        server.stop()


@pytest.mark.fault("F49")
def test_another_database_server_takes_over(
    mysql_server: "MySQLServer",
    copy_server: Callable[[], "MySQLServer"],
    deploy: Callable[..., Deployment],
) -> None:
    url = mysql_server.create_database()
    port = f":{urlsplit(url).port}/"
    with TcpProxy(mysql_server.port) as proxy:
        deployment = deploy(url, PIXY_DATABASE_URL=url.replace(port, f":{proxy.port}/"))
        deployment.pixy.start()
        before = deployment.make_image("before")
        deployment.pixy.stop()
        other = copy_server()
        deployment.pixy.start()
        started, paid = deployment.pixy.process_id, deployment.provider.paid_requests
        mysql_server.execute("SET GLOBAL read_only = ON")
        with deployment.client() as ada:
            for _ in range(3):
                assert is_refused(ada.post("/image", json={"prompt": "not now"}), "database_busy")
                assert ada.get(f"/image/{before}/content").status_code == 200
            assert deployment.provider.paid_requests == paid
            proxy.redirect(other.port)
            assert ada.post("/image", json={"prompt": "on the new primary"}).status_code == 201
            assert len(ada.get("/image").json()) == 2
        assert deployment.pixy.process_id == started
        deployment.pixy.stop()
    deployment.database_url = url.replace(port, f":{other.port}/")
    deployment.pixy.environment["PIXY_DATABASE_URL"] = deployment.database_url
    mysql_server.execute("SET GLOBAL read_only = OFF")


@pytest.mark.fault("F50")
def test_a_privilege_is_taken_away(
    mysql_server: "MySQLServer", deploy: Callable[..., Deployment]
) -> None:
    deployment = deploy()
    name = urlsplit(deployment.database_url).username
    deployment.pixy.start()
    guid = deployment.make_image("before")
    deployment.pixy.stop()
    mysql_server.execute(
        f"REVOKE ALL ON {name}.* FROM '{name}'@'%'",
        f"GRANT SELECT, UPDATE, DELETE ON {name}.* TO '{name}'@'%'",
    )
    deployment.pixy.start()
    paid = deployment.provider.paid_requests
    with deployment.client() as ada:
        answer = ada.post("/image", json={"prompt": "not now"})
        assert is_refused(answer, "database_unavailable")
        assert ada.get(f"/image/{guid}/content").status_code == 200
        assert deployment.provider.paid_requests == paid
        assert "INSERT command denied" in deployment.pixy.log
        assert f"{name} at 127.0.0.1:{mysql_server.port}: error 1142" in deployment.pixy.log
        mysql_server.execute(f"GRANT INSERT ON {name}.* TO '{name}'@'%'")
        wait_until(lambda: ada.post("/image", json={"prompt": "granted"}).status_code == 201)


@pytest.fixture
def fail(mysql_server: "MySQLServer", deployment: Deployment) -> Callable[[int | None], None]:
    """Return a function that makes each claim fail with a code of the server; None ends that."""
    name = urlsplit(deployment.database_url).path[1:]

    def fail(code: int | None) -> None:
        mysql_server.execute(f"DROP TRIGGER IF EXISTS {name}.fault")
        if code is not None:
            mysql_server.execute(
                f"CREATE TRIGGER {name}.fault BEFORE INSERT ON {name}.creations FOR EACH ROW "
                f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'secret text'"
            )

    return fail


@pytest.mark.fault("F51")
def test_the_database_server_refuses_a_statement(
    deployment: Deployment, fail: Callable[[int | None], None]
) -> None:
    paid = deployment.provider.paid_requests
    expected = dict.fromkeys(BUSY, "database_busy")
    expected |= dict.fromkeys((*REFUSED, *BROKEN), "database_unavailable")
    for code, name in expected.items():
        fail(code)
        answer = deployment.post("not now")
        assert is_refused(answer, name), code
        assert f"error {code}, " in deployment.pixy.log
    fail(None)
    assert deployment.provider.paid_requests == paid
    deployment.make_image("after all of them")


@pytest.mark.fault("F51")
def test_the_server_s_answer_can_t_be_read(
    mysql_server: "MySQLServer", deploy: Callable[..., Deployment]
) -> None:
    url = mysql_server.create_database()
    with TcpProxy(mysql_server.port) as proxy:
        through = url.replace(f":{urlsplit(url).port}/", f":{proxy.port}/")
        deployment = deploy(url, PIXY_DATABASE_URL=through)
        deployment.pixy.start()
        paid = deployment.provider.paid_requests
        proxy.spoil_answer_to(b"INSERT INTO creations")
        assert is_refused(deployment.post("not now"), "database_unavailable")
        assert deployment.provider.paid_requests == paid
        for _ in range(3):
            deployment.make_image("after")
        deployment.pixy.stop()
    deployment.pixy.environment["PIXY_DATABASE_URL"] = url
