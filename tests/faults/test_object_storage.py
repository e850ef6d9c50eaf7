"""Object storage that loses, refuses or delays requests, and kills at each: F52, F115 to F121."""

import contextlib
import itertools
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import httpx2
import pytest

from bucket_deployment import BucketDeployment
from deployment import wait_until
from invariants import settle
from lazy_downloads import lazy_downloads, read_resident_memory
from provider import Provider
from provider_answers import LARGE_PNG, make_png
from s3_faults import (
    Exchange,
    Fault,
    S3Request,
    at_random,
    forbid,
    slow_down,
    stall,
    swallow,
    truncate,
)
from s3_server import SeaweedFS

if TYPE_CHECKING:
    from mysql_server import MySQLServer

CLIENTS = 8
READERS = 40
FILE_THREADS = 8
"""PIXY_THREADS, by default."""
LEFTOVER_AGE = 31
MIB = 1 << 20
_widths = itertools.count(100)


@pytest.fixture
def deployment(
    tmp_path_factory: pytest.TempPathFactory,
    _mysql_server: "MySQLServer | None",
    provider: Provider,
    s3_server: SeaweedFS,
) -> Iterator[BucketDeployment]:
    """A running deployment on a bucket of its own; every invariant must hold after the test."""
    folder = tmp_path_factory.mktemp("bucket")
    url = f"sqlite:///{folder}/x" if _mysql_server is None else _mysql_server.create_database()
    deployment = BucketDeployment(folder, url, provider, s3_server, {})
    deployment.pixy.add_user("ada")
    with deployment.faults:
        try:
            deployment.pixy.start()
            yield deployment
            deployment.faults.choose = lambda _: None
            settle(deployment)
            check_entries(deployment)
        finally:
            deployment.pixy.kill()


def check_entries(deployment: BucketDeployment) -> None:
    """Check that an entry without an image belongs to nothing that was promised."""
    rows, statuses = deployment.rows(), deployment.creations()
    for guid in deployment.entries():
        assert guid not in rows, f"the entry of {guid} is still there"
        assert statuses.get(guid, "failed") in {"failed", "unknown"}


def upload(deployment: BucketDeployment, content: bytes) -> httpx2.Response:
    with deployment.client() as ada:
        headers = {"Content-Type": "image/png"}
        return ada.post("/image/upload", content=content, headers=headers)


def die(deployment: BucketDeployment, *, is_before: bool) -> Fault:
    """Return a fault that kills the server, before or after the store has done its work."""

    def kill(exchange: Exchange) -> None:
        if not is_before:
            exchange.forward()
        os.kill(deployment.pixy.pid, signal.SIGKILL)
        exchange.cut()

    return kill


class DieAt:
    """Chooses a fault for the n-th request about the next image that is made.

    Args:
        number: From 1, which reserves it.
        fault: The fault.
    """

    def __init__(self, number: int, fault: Fault) -> None:
        self._left = number
        self._fault = fault
        self._guid = ""

    def __call__(self, request: S3Request) -> Fault | None:
        """Return the fault of a request."""
        if not self._guid and request.method == "PUT" and "/reserved/" in request.path:
            self._guid = request.path.rpartition("/")[2]
        # objects are deleted by a POST without their names
        if not self._guid or not (self._guid in request.path or request.method == "POST"):
            return None
        self._left -= 1
        return self._fault if self._left == 0 else None


class Kill(NamedTuple):
    """A request at which the server is killed: its number, and whether it arrives."""

    number: int
    is_before: bool

    @property
    def is_safe(self) -> bool:
        """Whether the bytes have arrived: the third request is theirs."""
        return self.number > 3 or (self.number == 3 and not self.is_before)

    def __str__(self) -> str:
        return f"killed {'before' if self.is_before else 'after'} request {self.number}"


def kill_at(deployment: BucketDeployment, point: Kill, send: Callable[[], object]) -> None:
    """Send a request whose server is killed, and start the next server."""
    deployment.faults.choose = DieAt(point.number, die(deployment, is_before=point.is_before))
    with pytest.raises(httpx2.TransportError):
        send()
    deployment.faults.choose = lambda _: None
    deployment.crash()
    deployment.pixy.start()
    # a start makes what is safe visible
    wait_until(lambda: not deployment.journal())


def check_creates(deployment: BucketDeployment, points: list[Kill]) -> set[str]:
    """Kill the server at requests of creates, repeat these, and return the outcomes."""
    purchases, outcomes = deployment.provider.purchases, set()
    for point in points:
        name = str(point)
        kill_at(deployment, point, lambda name=name: deployment.post(name, name))
    deployment.wait_for_recovery()
    for point in points:
        name = str(point)
        bought = purchases.count(name)
        again = deployment.post(name, name)
        outcomes.add(f"{bought} bought, then {again.status_code}")
        assert purchases.count(name) == 1, name
        assert bought == (point.number > 1), name
        if point.is_safe or not bought:
            assert again.status_code == 201, name
        else:
            assert (again.status_code, again.json()["code"]) == (502, "outcome_unknown"), name
            assert again.json()["billed"] == "unknown", name
    return outcomes


OUTCOMES = {"0 bought, then 201", "1 bought, then 201", "1 bought, then 502"}


@pytest.mark.fault("F115")
def test_the_server_is_killed_after_each_request_of_a_create(deployment: BucketDeployment) -> None:
    points = [Kill(number, is_before=False) for number in range(1, 7)]
    assert check_creates(deployment, points) == OUTCOMES


@pytest.mark.slow
@pytest.mark.fault("F115")
def test_the_server_is_killed_before_each_request_of_a_create(
    deployment: BucketDeployment,
) -> None:
    points = [Kill(number, is_before=True) for number in range(1, 9)]
    points += [Kill(number, is_before=False) for number in (7, 8)]
    assert check_creates(deployment, points) == OUTCOMES
    # no reservation stays for ever
    time.sleep(LEFTOVER_AGE)
    deployment.crash()
    deployment.pixy.start()
    wait_until(lambda: not deployment.reserved(), "reservations to be removed")


@pytest.mark.fault("F116")
@pytest.mark.parametrize(
    "is_before", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["after", "before"]
)
def test_the_server_is_killed_at_each_request_of_an_upload(
    deployment: BucketDeployment, is_before: bool
) -> None:
    points = {Kill(number, is_before): make_png(next(_widths), 48) for number in range(1, 7)}
    for point, content in points.items():
        kill_at(deployment, point, lambda content=content: upload(deployment, content))
    deployment.wait_for_recovery()
    for point, content in points.items():
        expected = 200 if point.is_safe else 201
        assert upload(deployment, content).status_code == expected, point


class Client:
    """Creates, reads, lists and deletes for some seconds.

    Args:
        deployment: The deployment.
        number: Its number, which is also its seed.
        series: A part of its prompts, which no other test has.

    Attributes:
        outcomes: How often each kind of answer came.
        list_times: The milliseconds of each list.
    """

    def __init__(self, deployment: BucketDeployment, number: int, series: str) -> None:
        self._series = series
        self._deployment = deployment
        self._number = number
        self._chance = random.Random(number)
        self._made: list[str] = []
        self.outcomes = Counter[str]()
        self.list_times: list[float] = []

    def run(self, stopping: threading.Event) -> None:
        for count in itertools.count():
            if stopping.is_set():
                return
            action = self._chance.choice([self._create, self._create, self._read, self._delete])
            with self._deployment.client() as ada:
                listed = ada.get("/image", params={"limit": 10})
                assert listed.status_code == 200, listed.text
                self.list_times.append(listed.elapsed.total_seconds() * 1000)
                answer = action(ada, f"client {self._number}, image {count}, {self._series}")
            if answer is not None:
                self.outcomes[f"{answer.request.method} {answer.status_code}"] += 1

    def _create(self, ada: httpx2.Client, name: str) -> httpx2.Response:
        headers = {"Idempotency-Key": name} if self._chance.random() < 0.5 else {}
        answer = ada.post("/image", json={"prompt": name}, headers=headers)
        assert answer.status_code in {201, 202, 503}, answer.text
        if answer.status_code == 201:
            self._made.append(answer.json()["guid"])
        return answer

    def _read(self, ada: httpx2.Client, _name: str) -> httpx2.Response | None:
        if not self._made:
            return None
        answer = ada.get(f"/image/{self._chance.choice(self._made)}/content")
        assert answer.status_code in {200, 503}, answer.text
        return answer

    def _delete(self, ada: httpx2.Client, _name: str) -> httpx2.Response | None:
        if not self._made:
            return None
        guid = self._made.pop()
        answer = ada.delete(f"/image/{guid}")
        assert answer.status_code in {204, 503}, answer.text
        if answer.status_code == 204:
            self._deployment.deleted.add(guid)
        return answer


@pytest.mark.fault("F117")
@pytest.mark.parametrize(
    ("seconds", "pause"),
    [(8, 2), pytest.param(60, 20, marks=pytest.mark.slow)],
    ids=["short", "long"],
)
def test_answers_are_lost_refused_cut_and_late(
    deployment: BucketDeployment,
    seconds: int,
    pause: int,
    record_property: Callable[[str, object], None],
) -> None:
    calm = run_clients(deployment, seconds // 4, f"a good day, {seconds} s")
    shares = {swallow: 0.05, slow_down: 0.05, truncate: 0.01, stall(pause): 0.005}
    deployment.faults.choose = at_random("a bad day", shares)
    clients = run_clients(deployment, seconds, f"a bad day, {seconds} s")
    outcomes = sum((client.outcomes for client in clients), Counter[str]())
    assert outcomes["POST 201"] > 0, outcomes
    deployment.faults.choose = lambda _: None
    # a start lists the journal
    deployment.pixy.stop()
    deployment.pixy.start()
    record_property("figures", f"{tell_lists(calm)} before the faults, {tell_lists(clients)} then")


def run_clients(deployment: BucketDeployment, seconds: int, series: str) -> list[Client]:
    """Let some clients work for some seconds, and return them."""
    stopping = threading.Event()
    clients = [Client(deployment, number, series) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(client.run, stopping) for client in clients]
        time.sleep(seconds)
        stopping.set()
        for each in running:
            each.result()
    return clients


def tell_lists(clients: list[Client]) -> str:
    """Return how many lists there were, and their median and 99th percentile."""
    times = [time for client in clients for time in client.list_times]
    p99 = statistics.quantiles(times, n=100)[-1]
    return f"{len(times)} lists in {statistics.median(times):.1f} ms (p99 {p99:.1f})"


@pytest.mark.fault("F118")
@pytest.mark.parametrize("fault", [slow_down, forbid], ids=["slow down", "forbidden"])
def test_nothing_is_bought_while_the_store_can_not_be_written(
    deployment: BucketDeployment, fault: Fault
) -> None:
    guid, name = deployment.make_image(), f"refused: {fault.__name__}"
    before = deployment.provider.paid_requests
    deployment.faults.choose = lambda request: fault if request.method == "PUT" else None
    with deployment.client() as ada:
        answer = deployment.post(name, name)
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert ada.get(f"/image/{guid}/content").status_code == 200
        # a success is trusted for some seconds
        wait_until(lambda: ada.get("/health/ready").status_code == 503)
    assert deployment.provider.paid_requests == before
    deployment.faults.choose = lambda _: None
    assert deployment.post(name, name).status_code == 201


@pytest.mark.slow
@pytest.mark.fault("F52")
def test_the_store_refuses_to_remove_images(deployment: BucketDeployment) -> None:
    guids = {deployment.make_image() for _ in range(8)}
    keys = {f"{guid}.png" for guid in guids}

    def refuse(exchange: Exchange) -> None:
        if b"/images/" in exchange.body:
            forbid(exchange)
        else:
            exchange.send(exchange.forward())

    # objects are deleted by a POST that names them
    deployment.faults.choose = lambda request: refuse if request.method == "POST" else None
    with deployment.client() as ada:
        for guid in guids:
            assert ada.delete(f"/image/{guid}").status_code == 204
            assert ada.get(f"/image/{guid}").status_code == 404
    deployment.deleted |= guids
    deployment.crash()
    deployment.pixy.start()
    assert deployment.post("meanwhile", "meanwhile").status_code == 201
    assert keys <= set(deployment.files())
    deployment.faults.choose = lambda _: None
    wait_until(lambda: keys.isdisjoint(deployment.files()))


@pytest.mark.fault("F119")
def test_the_store_fails_after_the_provider_answered(deployment: BucketDeployment) -> None:
    with ThreadPoolExecutor(1) as threads, deployment.provider.holding():
        before = deployment.provider.paid_requests
        making = threads.submit(deployment.post, "in time", "in time")
        deployment.provider.wait_for_requests(before + 1)
        refused = itertools.count()

        def choose(request: S3Request) -> Fault | None:
            is_write = request.method == "PUT" and "/reserved/" not in request.path
            return slow_down if is_write and next(refused) < 12 else None

        deployment.faults.choose = choose
    assert making.result().status_code == 201
    assert next(refused) > 3


@pytest.mark.fault("F120")
def test_lists_and_changes_go_on_while_the_store_does_not_answer(
    deployment: BucketDeployment,
) -> None:
    guid, doomed = deployment.make_image(), deployment.make_image()
    released = threading.Event()

    def hang(exchange: Exchange) -> None:
        released.wait()
        exchange.cut()

    deployment.faults.choose = lambda _: hang
    reading, deleting = 40, 8
    with ThreadPoolExecutor(reading + deleting) as threads, deployment.client() as ada:
        try:
            with contextlib.ExitStack() as clients:
                for number in range(reading + deleting):
                    client = clients.enter_context(deployment.client(timeout=120))
                    if number < reading:
                        threads.submit(client.get, f"/image/{guid}/content")
                    else:
                        threads.submit(client.delete, f"/image/{doomed}")
                for _ in range(20):
                    assert ada.get("/image").status_code == 200
                    assert ada.get(f"/image/{guid}").status_code == 200
                # who made an image public by mistake must be able to take that back
                for visibility in ("public", "private"):
                    answer = ada.patch(f"/image/{guid}", json={"visibility": visibility})
                    assert answer.status_code == 200
                released.set()
                threads.shutdown()
        finally:
            released.set()


@pytest.mark.fault("F120")
def test_details_of_a_running_creation_are_served_while_the_store_does_not_answer(
    deployment: BucketDeployment,
) -> None:
    guid, released, hung = deployment.make_image(), threading.Event(), itertools.count(1)
    busy = threading.Event()

    def hang(exchange: Exchange) -> None:
        if "/images/" in exchange.request.path and next(hung) == FILE_THREADS:
            busy.set()
        released.wait()
        exchange.cut()

    with ThreadPoolExecutor(READERS + 1) as threads, contextlib.ExitStack() as stack:
        stack.callback(released.set)
        stack.enter_context(deployment.provider.holding())
        before = deployment.provider.paid_requests
        making = threads.submit(deployment.post, "while the store hangs", "a key")
        deployment.provider.wait_for_requests(before + 1)
        statuses = deployment.creations()
        (running,) = (guid for guid, status in statuses.items() if status == "pending")
        deployment.faults.choose = lambda _: hang
        for _ in range(READERS):
            client = stack.enter_context(deployment.client(timeout=120))
            threads.submit(client.get, f"/image/{guid}/content")
        assert busy.wait(30)
        with deployment.client() as ada:
            for _ in range(3):
                answer = ada.get(f"/image/{running}")
                assert (answer.status_code, answer.json()["status"]) == (200, "pending")
        deployment.faults.choose = lambda _: None
        released.set()
    assert making.result().status_code == 201


@pytest.mark.fault("F121")
def test_clients_that_never_read_hold_one_part_of_an_object(deployment: BucketDeployment) -> None:
    deployment.provider.behave("large")
    guid = deployment.make_image()
    deployment.provider.behave("png")
    small = deployment.make_image()
    path = f"/image/{guid}/content"
    with deployment.client() as ada:
        assert ada.get(path).content == LARGE_PNG
    before = read_resident_memory(deployment.pixy.pid)
    with lazy_downloads(deployment.pixy, path, READERS):
        growth = read_resident_memory(deployment.pixy.pid) - before
        with deployment.client() as ada:
            assert ada.get(f"/image/{small}/content").status_code == 200
        # a part of 2 MiB each, and what the parts under way need; not the 12 MB of the image
        assert growth < READERS * 3 * MIB
        deployment.killed_in_flight += len(deployment.requests_without_end())
