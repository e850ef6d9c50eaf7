"""Eight clients, and repeated random kills of the server or of its database server: row F24.

A cycle is one kill -9 at a random moment while the clients post, a start, and a check that
everything that was durable has its row and its file.
"""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx2
import pytest

from deployment import Deployment, wait_until

if TYPE_CHECKING:
    from mysql_server import MySQLServer

CLIENTS = 8
TRIES = 3
HALVES = 2
"""The cycles are divided, so that they use two processors."""
STREAMED = ({}, {"PIXY_PARTIAL_IMAGES": "2"})
"""One half gets partial images before its images."""


class Clients:
    """Clients that request one image after the other, and retry with the same key.

    Attributes:
        promised: The guids of answers with 201 or 202.
        unsettled: The keys (also the prompts) of requests without a final answer.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.promised: set[str] = set()
        self.unsettled: set[str] = set()
        self.asked = 0
        self._deployment = deployment
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until each client has its last answer."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        with self._deployment.pixy.client("ada") as client:
            while not self._stopping.is_set():
                name = f"wanted {uuid.uuid4()}"
                self.asked += 1
                tries = TRIES
                while tries and not self._stopping.is_set():
                    status = self._ask(client, name)
                    if status in (201, 502):
                        break
                    # a client that was refused retries until the server or its database is back
                    tries -= status in (202, 409)
                    self._stopping.wait(0.3)
                else:
                    self.unsettled.add(name)

    def _ask(self, client: httpx2.Client, name: str) -> int | None:
        try:
            answer = client.post(
                f"{self._deployment.pixy.url}/image",
                json={"prompt": name},
                headers={"Idempotency-Key": name},
            )
        except httpx2.TransportError:
            return None
        self._deployment.answers.append(answer)
        if answer.status_code in (201, 202):
            self.promised.add(answer.json()["guid"])
        return answer.status_code


@pytest.fixture
def server(_mysql_server: "MySQLServer | None") -> "MySQLServer | None":
    """The database server; None on SQLite."""
    return _mysql_server


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.fault("F24")
@pytest.mark.parametrize("half", range(HALVES))
def test_no_image_is_lost_or_paid_twice(
    deploy: Callable[..., Deployment],
    server: "MySQLServer | None",
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
    half: int,
) -> None:
    cycles = pytestconfig.getoption("--cycles") // HALVES
    chance = random.Random(f"{half} of {cycles}")
    deployment = deploy(**STREAMED[half])
    deployment.provider.latency = lambda: chance.uniform(0, 0.3)
    deployment.pixy.start()
    durable, kept, kills = set[str](), set[str](), Counter[str]()
    clients = Clients(deployment)
    try:
        for _ in range(cycles):
            time.sleep(chance.uniform(0.05, 0.5))
            if server is not None and chance.random() < 0.25:
                kills["database"] += 1
                server.restart()
            else:
                kills["server"] += 1
                if chance.random() < 0.5:
                    wait_for_an_entry(deployment)
                deployment.crash()
                durable |= deployment.journal()
                deployment.pixy.start()
            expected = (durable | set(clients.promised)) - kept
            wait_until(lambda e=expected: is_kept(deployment, e), "what was durable to be kept")  # type: ignore[misc]
            kept |= expected
    finally:
        clients.stop()
        deployment.provider.latency = lambda: 0.0
    deployment.wait_for_recovery()
    settle_all(deployment, clients.unsettled)
    record_property("figures", tell(deployment, clients, durable, kills))


def wait_for_an_entry(deployment: Deployment) -> None:
    """Wait until an image is in the journal, but at most a second; it stays there for milliseconds.

    Nearly all kills at random moments happen while the provider works.
    """
    deadline = time.monotonic() + 1
    while not deployment.journal() and time.monotonic() < deadline:
        pass


def is_kept(deployment: Deployment, guids: set[str]) -> bool:
    """Return whether each of these has its row and its file."""
    names = ", ".join(f"'{guid}'" for guid in guids)
    rows = deployment.query(f"SELECT filename FROM images WHERE guid IN ({names or 'NULL'})")
    images = deployment.data / "images"
    return len(rows) == len(guids) and all((images / n[:2] / n).is_file() for (n,) in rows)


def settle_all(deployment: Deployment, names: set[str]) -> None:
    """Repeat every request without a final answer; now it must get one."""
    for name in names:
        answer = deployment.post(name, name)
        assert answer.status_code in (201, 502), answer.text


def tell(deployment: Deployment, clients: Clients, durable: set[str], kills: Counter[str]) -> str:
    """Return the figures of a run, after checking those that must be 0."""
    rows, files = deployment.rows(), deployment.files()
    named = {filename for filename, _, _ in rows.values()}
    bought = Counter(deployment.provider.purchases)
    lost = len((durable | clients.promised) - set(rows))
    without_file, without_row = len(named - set(files)), len(set(files) - named)
    twice = sum(count > 1 for count in bought.values())
    unknown = list(deployment.creations().values()).count("unknown")
    assert (lost, without_file, without_row, twice) == (0, 0, 0, 0)
    return (
        f"{kills['server']} kills of the server, {kills['database']} of the database; "
        f"{clients.asked} images wanted, {len(rows)} made, {len(durable)} of them from the "
        f"journal, {unknown} unknown; lost after they were durable: {lost}, rows without file: "
        f"{without_file}, files without row: {without_row}, bought twice: {twice}"
    )
