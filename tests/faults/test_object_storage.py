"""Object storage that loses, refuses or delays requests: F52, F117 to F121."""

import contextlib
import itertools
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from bucket_deployment import BucketDeployment
from deployment import wait_until
from lazy_downloads import lazy_downloads, read_resident_memory
from provider_answers import LARGE_PNG
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

CLIENTS = 8
READERS = 40
FILE_THREADS = 8
"""PIXY_THREADS, by default."""
MIB = 1 << 20


@pytest.fixture
def deployment(deploy_on_bucket: Callable[..., BucketDeployment]) -> BucketDeployment:
    """A running deployment on a bucket of its own."""
    deployment = deploy_on_bucket()
    deployment.pixy.start()
    return deployment


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


@pytest.mark.long
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
