"""Upgrades of tables: several at once, killed, forbidden, of a newer version: F105 to F107."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from database_sessions import connect
from deployment import Deployment, wait_until
from earlier_version import NoHistoryError, install_version_before
from installed_pixy import InstalledPixy
from invariants import settle
from provider import Provider
from tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from mysql_server import MySQLServer

MIGRATIONS = "packages/pixy-data/src/pixy_data/migrations/versions"
FIRST_OF_THIS_RELEASE = f"{MIGRATIONS}/0007_provider_places.py"
NEWER = "9999"


def read_revision(deployment: Deployment) -> str:
    ((revision,),) = deployment.query("SELECT version_num FROM alembic_version")
    return str(revision)


def set_revision(deployment: Deployment, revision: str) -> None:
    deployment.query(f"UPDATE alembic_version SET version_num = '{revision}'")


@contextlib.contextmanager
def reading_images(deployment: Deployment) -> Iterator[None]:
    """Have a transaction that has read the table of images, which delays changes of it."""
    with connect(deployment.database_url) as session:
        session.cursor().execute("SELECT COUNT(*) FROM images")
        yield
        session.rollback()


@pytest.mark.slow
@pytest.mark.fault("F105")
def test_a_process_is_killed_while_it_upgrades_and_others_wait(
    mysql_server: "MySQLServer", deploy: Callable[..., Deployment]
) -> None:
    deployment = deploy()
    newest, pixy = read_revision(deployment), deployment.pixy
    deployment.query("ALTER TABLE images DROP COLUMN purchase")
    set_revision(deployment, "0005")
    running = (
        "SELECT info FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE images%'"
    )
    with reading_images(deployment):
        first = pixy.run_in_background("db", "upgrade")
        wait_until(lambda: mysql_server.execute(running), "the first to change the table")
        others = [pixy.run_in_background("db", "upgrade") for _ in range(2)]
        ((holder,),) = deployment.query("SELECT holder FROM migration_lock")
        user = urlsplit(deployment.database_url).username
        sessions = f"SELECT id FROM information_schema.processlist WHERE user = '{user}'"
        # one of each process, and one that reads the images
        wait_until(lambda: len(mysql_server.execute(sessions)) >= 4, "the others to wait")
        with pytest.raises(TimeoutExpired):
            others[0].wait(3)
        first.kill()
        first.communicate()
        assert deployment.query("SELECT holder FROM migration_lock") == [(holder,)]
    for other in others:
        _, errors = other.communicate(timeout=120)
        assert other.returncode == 0, errors
    assert read_revision(deployment) == newest
    deployment.query("SELECT purchase FROM images")


@pytest.mark.fault("F106")
def test_a_server_that_may_not_upgrade_refuses_older_tables(
    deploy: Callable[..., Deployment],
) -> None:
    deployment = deploy()
    newest = read_revision(deployment)
    set_revision(deployment, "0006")
    with pytest.raises(RuntimeError, match=r"pixy: The database has no tables .*pixy db upgrade"):
        deployment.pixy.start("--no-upgrade")
    assert deployment.pixy.wait() == 1
    assert "Traceback" not in deployment.pixy.log
    assert read_revision(deployment) == "0006"
    deployment.pixy.run("db", "upgrade")
    assert read_revision(deployment) == newest
    deployment.pixy.start("--no-upgrade")
    deployment.make_image()


@pytest.mark.fault("F106")
def test_a_worker_that_may_not_upgrade_waits_until_the_tables_are_upgraded(
    mysql_server: "MySQLServer", deploy: Callable[..., Deployment]
) -> None:
    url = mysql_server.create_database()
    # nothing listens at port 1: the database is down at the start
    with TcpProxy(1) as proxy:
        deployment = deploy(url)
        through = url.replace(f":{urlsplit(url).port}/", f":{proxy.port}/")
        deployment.pixy.environment["PIXY_DATABASE_URL"] = through
        set_revision(deployment, "0006")
        deployment.pixy.start("--no-upgrade", until="/health/live")
        proxy.redirect(mysql_server.port)
        wait_until(lambda: "still not ready: The database has no tables" in deployment.pixy.log)
        assert read_revision(deployment) == "0006"
        deployment.pixy.run("db", "upgrade")
        wait_until(lambda: "the database is ready" in deployment.pixy.log)
        deployment.make_image()
        deployment.pixy.stop()
    deployment.pixy.environment["PIXY_DATABASE_URL"] = url


@pytest.mark.fault("F107")
def test_newer_tables_that_are_for_this_version_are_used(deploy: Callable[..., Deployment]) -> None:
    deployment = deploy()
    revision = read_revision(deployment)
    deployment.query("ALTER TABLE images ADD COLUMN added VARCHAR(10) NULL")
    deployment.query("CREATE TABLE added (id INTEGER PRIMARY KEY)")
    set_revision(deployment, NEWER)
    deployment.query(f"INSERT INTO compatible_versions VALUES ('{NEWER}', '{revision}')")
    deployment.pixy.start()
    guid = deployment.make_image("a heron")
    with deployment.client() as ada:
        assert [found["guid"] for found in ada.get("/image?q=heron").json()] == [guid]
        assert ada.delete(f"/image/{guid}").status_code == 204
        assert ada.get("/image").json() == []
    deployment.deleted.add(guid)
    deployment.pixy.stop()
    assert deployment.pixy.log.count(f"the tables are of a newer version (revision {NEWER}") == 1
    assert read_revision(deployment) == NEWER
    deployment.query(f"UPDATE compatible_versions SET oldest_revision = '{NEWER}'")
    with pytest.raises(RuntimeError, match="newer version of PixyProxy: install that version"):
        deployment.pixy.start()
    assert deployment.pixy.wait() == 1
    deployment.query(f"UPDATE compatible_versions SET oldest_revision = '{revision}'")


class Load:
    """Makes, lists, finds and deletes images until `stop` is called."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._done = threading.Event()
        self.statuses = Counter[int]()
        self.rounds = 0

    def run(self) -> None:
        with self._deployment.client() as ada:
            while not self._done.is_set():
                made = ada.post("/image", json={"prompt": f"heron {self.rounds}"})
                guid = made.json().get("guid")
                answers = [made, ada.get("/image"), ada.get("/image?q=heron")]
                answers += [ada.get(f"/image/{guid}/content"), ada.delete(f"/image/{guid}")]
                self._deployment.deleted.add(guid)
                self.statuses.update(answer.status_code for answer in answers)
                self.rounds += 1

    def wait_for_rounds(self, number: int) -> None:
        wanted = self.rounds + number
        wait_until(lambda: self.rounds >= wanted, "the load to go on")

    def end(self) -> None:
        self._done.set()


@pytest.fixture(scope="module")
def earlier_pixy(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the version before tables said who may use them."""
    extra = "mysql" if pytestconfig.getoption("mysqld") else ""
    folder = tmp_path_factory.mktemp("earlier")
    try:
        return install_version_before(FIRST_OF_THIS_RELEASE, folder, extra=extra)
    except NoHistoryError as error:
        pytest.skip(str(error))


@pytest.fixture
def earlier(
    earlier_pixy: Path,
    tmp_path: Path,
    provider: Provider,
    _mysql_server: "MySQLServer | None",
) -> Iterator[Deployment]:
    """A deployment of the earlier version, on its own tables."""
    sqlite = f"sqlite:///{tmp_path}/earlier.sqlite3"
    url = sqlite if _mysql_server is None else _mysql_server.create_database()
    deployment = Deployment(tmp_path, url, provider, {})
    deployment.pixy.program = earlier_pixy
    # not `add_user`, which makes the tables of this version
    deployment.pixy.add_user_by_command("ada")
    yield deployment
    deployment.pixy.kill()


@pytest.mark.slow
@pytest.mark.fault("F107")
def test_the_version_before_goes_on_while_and_after_its_tables_are_upgraded(
    earlier: Deployment, database_url: str
) -> None:
    newer = InstalledPixy(earlier.pixy.folder, **earlier.pixy.environment)
    earlier.pixy.start("--workers", "2")
    kept = earlier.make_image("kept")
    before, load = read_revision(earlier), Load(earlier)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(load.run)
        try:
            load.wait_for_rounds(5)
            newer.run("db", "upgrade")
            assert read_revision(earlier) > before
            load.wait_for_rounds(20)
        finally:
            load.end()
        running.result()
    assert set(load.statuses) == {200, 201, 204}
    earlier.pixy.stop()
    earlier.pixy.program = newer.program
    earlier.pixy.start("--no-upgrade")
    with earlier.client() as ada:
        assert [found["guid"] for found in ada.get("/image").json()] == [kept]
    settle(earlier)
