"""A fleet whose parts are killed at random, one after the other, while eight clients post.

Afterwards nothing that was durable is lost, rows and objects agree, and nothing was bought twice.
"""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx2
import pytest

from fleet import Fleet

if TYPE_CHECKING:
    from mysql_server import MySQLServer

CLIENTS = 8
TRIES = 3
MANY = 50
"""From this number of kills on, each replica has two workers, which take longer to start."""
HALVES = 2
"""Two fleets share that many kills, so that they use two processors."""
SLOTS = 16
"""Images that one worker makes at once, by default."""
PLACES = 64
"""At the provider: eight for the clients, and those of dead processes until their leases end."""
SHARES = {"replica": 60, "database": 15, "store": 15, "proxy": 10}
"""How often each part is killed."""


class Clients:
    """Clients that request one image after the other; half of them retry with the same key.

    Attributes:
        promised: The guids of answers with 201 or 202.
        unsettled: The keys (also the prompts) of requests without a final answer.
        asked: Number of images wanted.
        refusals: How often a request failed, by the answer's code.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.promised: set[str] = set()
        self.unsettled: set[str] = set()
        self.asked = 0
        self.refusals = Counter[str]()
        self._fleet = fleet
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(number % 2 == 0,))
            for number in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until each client has its last answer."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _work(self, has_key: bool) -> None:
        with self._fleet.client() as client:
            while not self._stopping.is_set():
                name = f"wanted {uuid.uuid4()}"
                self.asked += 1
                if not has_key:
                    if self.ask(client, name, None) != 201:
                        self._stopping.wait(0.3)
                elif not self._insist(client, name):
                    self.unsettled.add(name)

    def _insist(self, client: httpx2.Client, name: str) -> bool:
        """Return whether a request got a final answer, within some tries that were not refused."""
        tries = TRIES
        while tries and not self._stopping.is_set():
            status = self.ask(client, name, name)
            if status in (201, 502):
                return True
            # a client that was refused retries until what was killed is back
            tries -= status in (202, 409)
            self._stopping.wait(0.3)
        return False

    def ask(self, client: httpx2.Client, name: str, key: str | None) -> int | None:
        """Return the service's status; None if it was the proxy's, or there was no answer."""
        headers = {} if key is None else {"Idempotency-Key": key}
        try:
            answer = client.post("/image", json={"prompt": name}, headers=headers)
        except httpx2.TransportError:
            self.refusals["no answer"] += 1
            return None
        if answer.headers["content-type"] not in ("application/json", "application/problem+json"):
            self.refusals["by the proxy"] += 1
            return None
        if answer.status_code in (201, 202):
            self.promised.add(answer.json()["guid"])
        else:
            self.refusals[answer.json()["code"]] += 1
        return answer.status_code


class Kills:
    """Kills one part after the other, and starts it again.

    Attributes:
        counts: Number of kills of each part.
        durable: Guids of images that could not be lost any more when something was killed, and
            had no row.
    """

    def __init__(self, fleet: Fleet, server: "MySQLServer", chance: random.Random) -> None:
        self._fleet, self._server, self._chance = fleet, server, chance
        # each part first, so that a short run kills each, too
        self._first = [part for part in SHARES if self._exists(part)]
        chance.shuffle(self._first)
        self.counts = Counter[str]()
        self.durable = set[str]()

    def kill_something(self) -> None:
        """Kill a part at random, and start it again."""
        shares = {part: share for part, share in SHARES.items() if self._exists(part)}
        (part,) = self._chance.choices(list(shares), list(shares.values()))
        if self._first:
            part = self._first.pop()
        self.counts[part] += 1
        getattr(self, f"_kill_{part}")()

    def _exists(self, part: str) -> bool:
        return part != "store" or self._fleet.content.has_server

    def _kill_replica(self) -> None:
        number = self._chance.randrange(len(self._fleet.replicas))
        if self._chance.random() < 0.5:
            self._wait_for_a_durable_image()
        self._fleet.kill_replica(number)
        self.durable |= self._find_durable()
        time.sleep(self._chance.uniform(0, 0.3))
        self._fleet.start_replica(number)

    def _kill_database(self) -> None:
        self.durable |= self._find_durable()
        self._server.restart()

    def _kill_store(self) -> None:
        self.durable |= self._find_durable()
        self._fleet.content.restart()

    def _kill_proxy(self) -> None:
        self._fleet.kill_front()
        self._fleet.start_front()

    def _wait_for_a_durable_image(self) -> None:
        """Wait until an image is durable and has no row, but at most half a second.

        It stays so for milliseconds; nearly all kills at random moments happen while the provider
        works.
        """
        deadline = time.monotonic() + 0.5
        while not self._find_durable() and time.monotonic() < deadline:
            pass

    def _find_durable(self) -> set[str]:
        """Return the guids of images that can't be lost any more, and have no row."""
        creations = self._fleet.query("SELECT guid FROM creations WHERE status = 'pending'")
        return self._fleet.content.find_durable(guid for (guid,) in creations)


@pytest.fixture
def cycles(pytestconfig: pytest.Config) -> int:
    count: int = pytestconfig.getoption("--cycles")
    return count


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "half"), [("bucket", 0), ("bucket", 1), ("folder", 0)], indirect=["build"]
)
def test_no_image_is_lost_or_paid_twice(
    build: Callable[..., Fleet],
    half: int,
    mysql_server: "MySQLServer",
    cycles: int,
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(f"{half} of {cycles} of a fleet")
    workers = 2 if cycles >= MANY else 1
    if cycles >= MANY:
        cycles //= HALVES
    fleet = build(replicas=3, workers=workers, settings={"PIXY_PROVIDER_PLACES": str(PLACES)})
    if not fleet.content.has_server:
        # tests/faults has as many kills of one server on files
        cycles = max(1, cycles // 10)
    fleet.provider.latency = lambda: chance.uniform(0.1, 1)
    clients, kills = Clients(fleet), Kills(fleet, mysql_server, chance)
    began = time.monotonic()
    try:
        for done in range(cycles):
            if done % 100 == 0:
                print(f"{done} cycles in {time.monotonic() - began:.0f} s", flush=True)
            time.sleep(chance.uniform(0.05, 0.5))
            kills.kill_something()
    finally:
        clients.stop()
        fleet.provider.latency = lambda: 0.0
    seconds = (time.monotonic() - began) / max(cycles, 1)
    settle_all(fleet, clients)
    fleet.wait_for_recovery()
    record_property("figures", f"{tell(fleet, clients, kills)}; {seconds:.1f} s a cycle")
    make_many_at_once(fleet)


def settle_all(fleet: Fleet, clients: Clients) -> None:
    """Repeat every request without a final answer, until it has one."""
    fleet.end_leases()
    with fleet.client() as client:
        for name in clients.unsettled:
            deadline = time.monotonic() + 120
            while (status := clients.ask(client, name, name)) not in (201, 502):
                assert time.monotonic() < deadline, f"{name} is answered {status}"
                time.sleep(0.5)


def tell(fleet: Fleet, clients: Clients, kills: Kills) -> str:
    """Return the figures of a run, after checking those that must be 0."""
    rows, images = fleet.list_rows(), fleet.content.list_images()
    named = dict(rows.values())
    bought = Counter(fleet.provider.purchases)
    figures = {
        "lost after they were durable": len((kills.durable | clients.promised) - set(rows)),
        "rows without object": len(named.keys() - images.keys()),
        "objects without row or entry": len(images.keys() - named.keys()),
        "objects of another size": sum(
            named[name] != images[name] for name in named & images.keys()
        ),
        "bought twice": sum(count > 1 for count in bought.values()),
        "places in use": len(fleet.query("SELECT guid FROM creations WHERE place IS NOT NULL")),
    }
    unknown = list(fleet.list_creations().values()).count("unknown")
    counted = ", ".join(f"{count} of {part}" for part, count in kills.counts.items())
    shown = ", ".join(f"{what}: {count}" for what, count in figures.items())
    assert not any(figures.values()), shown
    # an image is bought, and known to nobody, only if its process was killed meanwhile
    assert len(bought) - len(rows) <= unknown + len(clients.unsettled), (len(bought), len(rows))
    made = f"{clients.asked} wanted, {len(rows)} made, {unknown} unknown"
    refused = ", ".join(f"{code} {count}" for code, count in clients.refusals.most_common())
    facts = (counted, made, f"{len(kills.durable)} durable at a kill", shown, f"refused: {refused}")
    return "; ".join(facts)


def make_many_at_once(fleet: Fleet) -> None:
    """Make as many images at once as one worker has slots."""
    with ThreadPoolExecutor(SLOTS) as threads:
        list(threads.map(lambda _: fleet.make_image(), range(SLOTS)))
