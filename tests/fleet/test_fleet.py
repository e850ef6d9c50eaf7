"""A fleet seen from outside: what a replica leaves, limits that all share, restarts, changes."""

import signal
import socket
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from database_sessions import connect
from deployment import wait_until
from fleet import Fleet
from installed_pixy import PASSWORD, InstalledPixy
from provider_answers import LARGE_PNG

PLACES = 16
SLOW_READERS = 200
EACH = 2 << 20
"""Bytes that a slow reader may cost."""
# the foreign key of an image's row uses this index
LOCK_OWNER = """
    SELECT username FROM users FORCE INDEX (uq_users_class) WHERE username = 'ada' FOR UPDATE
"""


# the replicas tell each other everything in the database
ON_FOLDER = pytest.mark.parametrize("build", ["folder"], indirect=True)
ON_BUCKET = pytest.mark.parametrize("build", ["bucket"], indirect=True)
ON_EACH = pytest.mark.parametrize(
    "build", ["folder", pytest.param("bucket", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(scope="module")
def fleet(build: Callable[..., Fleet]) -> Fleet:
    return build(replicas=2, workers=1)


@pytest.fixture(autouse=True)
def all_run(fleet: Fleet) -> Iterator[None]:
    for number, replica in enumerate(fleet.replicas):
        if not replica.is_running:
            fleet.start_replica(number)
    yield
    fleet.provider.release()
    fleet.provider.behave("png")


@ON_EACH
def test_what_one_replica_changes_holds_on_the_others_at_once(
    fleet: Fleet, mysql_server: object
) -> None:
    fleet.replicas[0].add_user("bob")
    with ExitStack() as stack:
        ada, bob, stranger = (
            stack.enter_context(fleet.client(user, replica))
            for user, replica in (("ada", 0), ("bob", 1), (None, 1))
        )
        guid = fleet.make_image(replica=0, visibility="public")
        content = f"/image/{guid}/content"
        assert (stranger.get(content).status_code, bob.get(content).status_code) == (200, 200)
        ada.patch(f"/image/{guid}", json={"visibility": "private"})
        assert (stranger.get(content).status_code, bob.get(content).status_code) == (404, 404)
        assert bob.get("/image").status_code == 200
        fleet.replicas[1].run("user", "disable", "bob")
        assert bob.get("/image").status_code == 401
        elsewhere = stack.enter_context(fleet.client("ada", 1))
        assert elsewhere.get(content).status_code == 200
        assert ada.delete(f"/image/{guid}").status_code == 204
        assert elsewhere.get(content).status_code == 404
        assert guid not in elsewhere.get("/image").text


@ON_EACH
def test_another_replica_shows_an_image_whose_process_died(
    fleet: Fleet, mysql_server: object
) -> None:
    before, creations = fleet.content.list_durable(), set(fleet.list_creations())
    headers, body = {"Idempotency-Key": "died"}, {"prompt": "its process died"}

    def post(replica: int) -> tuple[int, str]:
        with fleet.client(replica=replica) as ada:
            answer = ada.post("/image", json=body, headers=headers)
            return answer.status_code, answer.json()["guid"]

    with connect(fleet.database_url) as session, ThreadPoolExecutor(1) as threads:
        paid = fleet.provider.paid_requests
        with fleet.provider.holding():
            posted = threads.submit(post, 0)
            fleet.provider.wait_for_requests(paid + 1)
            session.cursor().execute(LOCK_OWNER)
        wait_until(lambda: fleet.content.list_durable() - before, "the image to be durable")
        fleet.kill_replica(0)
        assert posted.exception() is not None
        session.rollback()
    (guid,) = fleet.content.list_durable() - before or set(fleet.list_creations()) - creations
    with fleet.client() as ada:
        wait_until(lambda: ada.get(f"/image/{guid}/content").status_code == 200, "the image")
    assert post(1) == (201, guid)
    assert fleet.provider.purchases.count(body["prompt"]) == 1


@pytest.mark.slow
@ON_BUCKET
def test_replicas_are_restarted_in_turn_without_a_failed_request(
    fleet: Fleet, mysql_server: object
) -> None:
    fleet.provider.latency = lambda: 0.5
    guid, is_over = fleet.make_image(), threading.Event()

    def work(creates: bool) -> Counter[int]:
        statuses = Counter[int]()
        while not is_over.is_set():
            if creates:
                with fleet.client() as ada:
                    answer = ada.post("/image", json={"prompt": "in turn"})
            else:
                with fleet.client() as ada:
                    answer = ada.get(f"/image/{guid}")
            # a POST that nginx had just sent on a connection that the server closed is nginx's own
            # 502: it repeats none, and cannot know whether the server had read it
            if not creates or "json" in answer.headers["content-type"]:
                statuses[answer.status_code] += 1
            is_over.wait(0.05)
        return statuses

    with ThreadPoolExecutor(8) as threads:
        working = [threads.submit(work, number % 2 == 0) for number in range(8)]
        try:
            for number, replica in enumerate(fleet.replicas):
                assert replica.stop() == -signal.SIGTERM
                fleet.start_replica(number)
        finally:
            is_over.set()
        statuses = [each.result() for each in working]
    fleet.provider.latency = lambda: 0.0
    assert [set(each) for each in statuses] == [{201}, {200}] * 4
    assert "unknown" not in fleet.list_creations().values()


@pytest.mark.slow
@ON_FOLDER
def test_all_replicas_together_use_no_more_than_the_places(
    build: Callable[..., Fleet], mysql_server: object
) -> None:
    fleet = build(replicas=2, workers=2, settings={"PIXY_PROVIDER_PLACES": str(PLACES)})
    before = fleet.provider.paid_requests

    def post(number: int) -> int:
        with fleet.client() as ada:
            return ada.post("/image", json={"prompt": f"one of 200, {number}"}).status_code

    with ThreadPoolExecutor(200) as threads:
        with fleet.provider.holding():
            posted = [threads.submit(post, number) for number in range(200)]
            wait_until(lambda: sum(each.done() for each in posted) == 200 - PLACES)
            # the others are on their way to it
            wait_until(lambda: fleet.provider.paid_requests >= before + PLACES)
        statuses = Counter(each.result() for each in posted)
    assert statuses == {201: PLACES, 503: 200 - PLACES}
    assert fleet.provider.paid_requests == before + PLACES
    fleet.wait_for_recovery()


@pytest.mark.slow
@ON_BUCKET
def test_slow_readers_take_little_memory_and_delay_nobody(
    fleet: Fleet, mysql_server: object
) -> None:
    fleet.provider.behave("large")
    guid, pixy = fleet.make_image(replica=0), fleet.replicas[0]
    with fleet.client(replica=0) as ada:
        assert ada.get(f"/image/{guid}/content").content == LARGE_PNG
    before = measure_memory(pixy)
    with ExitStack() as stack:
        readers = [stack.enter_context(start_reading(pixy, guid)) for _ in range(SLOW_READERS)]
        for reader in readers:
            assert reader.recv(1024).startswith(b"HTTP/1.1 200")
        with fleet.client(replica=0) as ada:
            assert {ada.get("/image").status_code for _ in range(50)} == {200}
            assert ada.get(f"/image/{guid}/content").content == LARGE_PNG
        assert measure_memory(pixy) - before < SLOW_READERS * EACH


def start_reading(pixy: InstalledPixy, guid: str) -> closing[socket.socket]:
    """Ask for an image, with a receive buffer that is full at once."""
    address = urlsplit(pixy.url)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(60)
    reader.connect((address.hostname, address.port))
    credentials = b64encode(f"ada:{PASSWORD}".encode()).decode()
    lines = f"GET /image/{guid}/content HTTP/1.1", "Host: x", f"Authorization: Basic {credentials}"
    reader.sendall("\r\n".join((*lines, "", "")).encode())
    return closing(reader)


def measure_memory(pixy: InstalledPixy) -> int:
    """Return the resident bytes of a server with one process."""
    status = Path(f"/proc/{pixy.pid}/status").read_text()
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) * 1024
