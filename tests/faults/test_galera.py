"""F108 to F110 on a Galera cluster of two real nodes; one of them takes all writes."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from deployment import Deployment, wait_until
from installed_pixy import InstalledPixy
from invariants import settle
from provider import Provider
from tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from galera_cluster import GaleraCluster

pytestmark = pytest.mark.slow
IMAGES = 20
CLIENTS = 3


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator["GaleraCluster"]:
    """Two nodes that have each other's data."""
    pytest.importorskip("MySQLdb", reason="mysqlclient is not installed")
    from galera_cluster import GaleraCluster, find_mariadbd  # noqa: PLC0415

    mariadbd = find_mariadbd()
    if mariadbd is None:
        pytest.skip("Galera is not installed: apt-get install mariadb-server galera-4 rsync")
    cluster = GaleraCluster(mariadbd, tmp_path_factory.mktemp("galera"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def replace_port(url: str, port: int) -> str:
    return url.replace(f":{urlsplit(url).port}/", f":{port}/")


class Door:
    """A deployment whose database's address leads to one node, and can lead to the other."""

    def __init__(self, cluster: "GaleraCluster", proxy: TcpProxy, deployment: Deployment) -> None:
        self._cluster = cluster
        self._proxy = proxy
        self.deployment = deployment

    def lead_to_second(self) -> None:
        """Let new connections reach the second node; open ones are kept."""
        self._proxy.redirect(self._cluster.second.port)
        url = self.deployment.database_url
        self.deployment.database_url = replace_port(url, self._cluster.second.port)


@pytest.fixture
def door(
    cluster: "GaleraCluster", provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """A running deployment on the first node; every invariant must hold after the test."""
    url = cluster.first.create_database()
    with TcpProxy(cluster.first.port) as proxy:
        through = {"PIXY_DATABASE_URL": replace_port(url, proxy.port)}
        deployment = Deployment(tmp_path_factory.mktemp("door"), url, provider, through)
        try:
            deployment.pixy.run("db", "upgrade")
            deployment.pixy.add_user("ada")
            deployment.pixy.start()
            yield Door(cluster, proxy, deployment)
            settle(deployment)
        finally:
            deployment.pixy.kill()


@pytest.mark.fault("F105")
def test_processes_on_both_nodes_upgrade_one_after_the_other(
    cluster: "GaleraCluster", tmp_path: Path
) -> None:
    url = cluster.first.create_database()
    name = urlsplit(url).path[1:]
    commands = [
        InstalledPixy(tmp_path, PIXY_DATABASE_URL=replace_port(url, node.port))
        for node in (cluster.first, cluster.second)
    ]
    upgrades = [pixy.run_in_background("db", "upgrade") for pixy in commands * 2]
    for upgrade in upgrades:
        _, errors = upgrade.communicate(timeout=120)
        assert upgrade.returncode == 0, errors
    # the other node's process waits as well
    cluster.first.execute(
        f"UPDATE {name}.migration_lock SET holder = 'first', expires_at = '2100-01-01'",
        f"UPDATE {name}.alembic_version SET version_num = '0006'",
    )
    waiting = commands[1].run_in_background("db", "upgrade")
    with pytest.raises(TimeoutExpired):
        waiting.wait(5)
    cluster.first.execute(f"UPDATE {name}.migration_lock SET holder = NULL")
    _, errors = waiting.communicate(timeout=120)
    assert waiting.returncode == 0, errors


@pytest.mark.fault("F108")
def test_a_read_on_another_node_sees_what_was_answered_before(
    cluster: "GaleraCluster", door: Door, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = dict(door.deployment.pixy.environment)
    environment["PIXY_DATABASE_URL"] = replace_port(
        door.deployment.database_url, cluster.second.port
    )
    reader = InstalledPixy(tmp_path_factory.mktemp("reader"), **environment)
    reader.start()
    try:
        with door.deployment.client() as writing, reader.client("ada") as reading:
            for number in range(IMAGES):
                made = writing.post("/image", json={"prompt": f"picture {number}"})
                assert reading.get(f"/image/{made.json()['guid']}").status_code == 200
            with ThreadPoolExecutor(1) as threads:
                # the node receives what the other one commits, and can't apply it
                with cluster.second.holding("FLUSH TABLES WITH READ LOCK"):
                    made = writing.post("/image", json={"prompt": "the last picture"})
                    found = threads.submit(reading.get, f"/image/{made.json()['guid']}")
                    wait([found], timeout=2)
                assert found.result().status_code == 200
            assert len(reading.get("/image?limit=100").json()) == IMAGES + 1
        reader.stop()
    finally:
        reader.kill()


@pytest.mark.fault("F109")
def test_a_node_that_leaves_its_cluster_is_replaced(cluster: "GaleraCluster", door: Door) -> None:
    deployment = door.deployment
    guid, started = deployment.make_image("before"), deployment.pixy.process_id
    paid = deployment.provider.paid_requests
    # as a node without a quorum does, this one answers each query with error 1047
    cluster.first.execute("SET GLOBAL wsrep_reject_queries = ALL")
    try:
        with deployment.client() as ada:
            for answer in (ada.get(f"/image/{guid}"), ada.post("/image", json={"prompt": "-"})):
                assert answer.status_code == 503
                assert answer.json()["code"] == "database_unavailable"
            assert "error 1047" in deployment.pixy.log
            assert deployment.provider.paid_requests == paid
            door.lead_to_second()
            wait_until(lambda: ada.get(f"/image/{guid}").status_code == 200)
        deployment.make_image("after")
        assert deployment.pixy.process_id == started
    finally:
        cluster.first.execute("SET GLOBAL wsrep_reject_queries = NONE")


@pytest.mark.fault("F110")
def test_the_primary_becomes_read_only_under_load(
    cluster: "GaleraCluster", door: Door, record_property: Callable[[str, object], None]
) -> None:
    deployment = door.deployment
    started, done, counts = deployment.pixy.process_id, threading.Event(), Counter[int]()

    def post_again_and_again(client: int) -> None:
        number = 0
        while not done.is_set():
            number += 1
            counts[deployment.post(f"picture {number} of {client}").status_code] += 1

    def wait_for_more(status: int, number: int) -> None:
        before = counts[status]
        wait_until(lambda: counts[status] >= before + number, f"{number} times {status}")

    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [threads.submit(post_again_and_again, client) for client in range(CLIENTS)]
        try:
            wait_for_more(201, 10)
            cluster.first.execute("SET GLOBAL read_only = ON")
            wait_for_more(503, 10)
            door.lead_to_second()
            moved = time.monotonic()
            wait_for_more(201, 1)
            seconds = time.monotonic() - moved
            record_property("figures", f"writes resumed {seconds:.2f} s after the address moved")
            wait_for_more(201, 9)
        finally:
            done.set()
            cluster.first.execute("SET GLOBAL read_only = OFF")
    for client in clients:
        client.result()
    # an image that was being made when the writes stopped is 202
    assert set(counts) <= {201, 202, 503}
    assert deployment.pixy.process_id == started
    assert deployment.post("once more").status_code == 201
