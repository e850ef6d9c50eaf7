"""Databases that are exchanged while a server has them open: rows F56 and F57."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deployment import Deployment, wait_until

if TYPE_CHECKING:
    from mysql_server import MySQLServer

Exchange = Callable[[Path, Path], object]


@pytest.fixture
def on_sqlite(
    _mysql_server: "MySQLServer | None", deploy: Callable[..., Deployment], tmp_path: Path
) -> Deployment:
    """A running deployment whose database is a file."""
    if _mysql_server is not None:
        pytest.skip("a database server has no file that could be exchanged")
    deployment = deploy(f"sqlite:///{tmp_path}/rows/x.sqlite3")
    deployment.pixy.start()
    return deployment


@contextlib.contextmanager
def exchanged(path: Path, exchange: Exchange, older: Path) -> Iterator[None]:
    """Exchange a database's files, and restore the open ones afterwards."""
    files = [Path(f"{path}{ending}") for ending in ("", "-wal", "-shm")]
    for file in files:
        os.link(file, f"{file}.open")
    exchange(path, older)
    try:
        yield
    finally:
        for file in files:
            Path(f"{file}.open").replace(file)
            # renaming one of two names of a file does nothing
            Path(f"{file}.open").unlink(missing_ok=True)


EXCHANGES: dict[str, Exchange] = {
    "moved away": lambda path, _: path.rename(f"{path}.away"),
    "an older copy moved over it": lambda path, older: older.replace(path),
    "deleted": lambda path, _: path.unlink(),
    "its log deleted": lambda path, _: Path(f"{path}-wal").unlink(),
    "its shared memory deleted": lambda path, _: Path(f"{path}-shm").unlink(),
}
QUICK = ("moved away", "an older copy moved over it")


@pytest.mark.fault("F56")
@pytest.mark.parametrize(
    "exchange",
    [
        pytest.param(exchange, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, exchange in EXCHANGES.items()
    ],
)
def test_an_exchanged_database_file_is_detected_before_the_provider_is_asked(
    on_sqlite: Deployment, exchange: Exchange, tmp_path: Path
) -> None:
    path = Path(on_sqlite.database_url.removeprefix("sqlite:///"))
    older = tmp_path / "older"
    shutil.copy(path, older)
    guid = on_sqlite.make_image()
    paid = on_sqlite.provider.paid_requests
    with exchanged(path, exchange, older), on_sqlite.client() as ada:
        for _ in range(3):
            answer = ada.post("/image", json={"prompt": "into no database"})
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        wait_until(lambda: ada.get(f"/image/{guid}").status_code == 503)
        wait_until(lambda: ada.get("/health/ready").status_code == 503)
        assert on_sqlite.provider.paid_requests == paid
    assert on_sqlite.pixy.log.count("was moved, replaced or deleted while it was open") == 1
    with on_sqlite.client() as ada:
        wait_until(lambda: ada.get("/health/ready").status_code == 200)
        assert ada.get(f"/image/{guid}").status_code == 200
    on_sqlite.make_image()


@pytest.mark.slow
@pytest.mark.fault("F56")
def test_a_pending_image_waits_for_its_database(
    on_sqlite: Deployment,
) -> None:
    path = Path(on_sqlite.database_url.removeprefix("sqlite:///"))
    paid = on_sqlite.provider.paid_requests
    with ThreadPoolExecutor(1) as threads, contextlib.ExitStack() as exchange:
        with on_sqlite.provider.holding():
            waiting = threads.submit(on_sqlite.post, "made before, stored after")
            on_sqlite.provider.wait_for_requests(paid + 1)
            exchange.enter_context(exchanged(path, EXCHANGES["moved away"], path))
        answer = waiting.result()
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
        guid = answer.json()["guid"]
        assert on_sqlite.journal() == {guid}
    wait_until(lambda: guid in on_sqlite.rows())
    assert on_sqlite.provider.paid_requests == paid + 1


TABLES = """
    SELECT table_name FROM information_schema.tables WHERE table_schema = '{name}'
"""


@pytest.fixture
def exchange_on_server(
    mysql_server: "MySQLServer", deployment: Deployment
) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Return a context in which the address has the new database of another installation."""
    name = deployment.database_url.rpartition("/")[2]

    def move(source: str, target: str) -> None:
        tables = [row[0] for row in mysql_server.execute(TABLES.format(name=source))]
        moves = ", ".join(f"{source}.{table} TO {target}.{table}" for table in tables)
        mysql_server.execute(f"RENAME TABLE {moves}")

    @contextlib.contextmanager
    def exchange() -> Iterator[None]:
        mysql_server.execute(f"CREATE DATABASE {name}_away", f"CREATE DATABASE {name}_other")
        move(name, f"{name}_away")
        deployment.pixy.add_user("ada")
        try:
            yield
        finally:
            move(name, f"{name}_other")
            move(f"{name}_away", name)
            mysql_server.execute(f"DROP DATABASE {name}_away", f"DROP DATABASE {name}_other")

    return exchange


@pytest.mark.fault("F57")
def test_another_database_at_the_address_is_detected_before_the_provider_is_asked(
    deployment: Deployment,
    exchange_on_server: Callable[[], contextlib.AbstractContextManager[None]],
) -> None:
    guid = deployment.make_image()
    paid = deployment.provider.paid_requests
    with exchange_on_server(), deployment.client() as ada:
        answer = ada.post("/image", json={"prompt": "into another database"})
        assert (answer.status_code, answer.json()["code"]) == (503, "store_mismatch")
        assert ada.get("/health/ready").status_code == 503
        assert deployment.provider.paid_requests == paid
    with deployment.client() as ada:
        assert ada.get(f"/image/{guid}/content").status_code == 200


@pytest.mark.fault("F57")
def test_a_pending_image_is_not_stored_in_another_database(
    deployment: Deployment,
    exchange_on_server: Callable[[], contextlib.AbstractContextManager[None]],
) -> None:
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads, contextlib.ExitStack() as exchange:
        with deployment.provider.holding():
            waiting = threads.submit(deployment.post, "made for the database of before")
            deployment.provider.wait_for_requests(paid + 1)
            exchange.enter_context(exchange_on_server())
        answer = waiting.result()
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
        guid = answer.json()["guid"]
        assert guid not in deployment.rows()
    wait_until(lambda: guid in deployment.rows())
    assert deployment.provider.paid_requests == paid + 1
