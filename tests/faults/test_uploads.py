"""Uploads and edits that are killed, cut off, slow or many: rows F90 to F98."""

import contextlib
import itertools
import re
import socket
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2
import pytest

from deployment import Deployment, wait_until
from installed_pixy import PASSWORD
from provider_answers import make_png
from syscalls import Strace

if TYPE_CHECKING:
    from mysql_server import MySQLServer

MIB = 1 << 20
LARGE = 50 * MIB
_widths = itertools.count(100)


def new_png() -> bytes:
    """Return a small PNG that no other test has uploaded."""
    return make_png(next(_widths), 48)


def upload(deployment: Deployment, content: bytes, user: str = "ada") -> httpx2.Response:
    with deployment.client(user, timeout=300) as client:
        return client.post("/image/upload", content=content, headers={"Content-Type": "image/png"})


def edit(deployment: Deployment, prompt: str, key: str, *sources: str) -> httpx2.Response:
    with deployment.client() as ada:
        return ada.post(
            "/image",
            json={"prompt": prompt, "sources": list(sources)},
            headers={"Idempotency-Key": key},
        )


@contextlib.contextmanager
def unfinished(
    deployment: Deployment, content: bytes, user: str = "ada"
) -> Iterator[socket.socket]:
    """Begin an upload of 50 MB, send the first bytes of it, and do what is in the block."""
    address = urlsplit(deployment.pixy.url)
    credentials = b64encode(f"{user}:{PASSWORD}".encode())
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.settimeout(60)
        connection.sendall(
            b"POST /image/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
            b"Content-Length: %d\r\nExpect: 100-continue\r\n"
            % LARGE
            + b"Authorization: Basic %b\r\n\r\n" % credentials
        )
        assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(content)
        yield connection


def everything(deployment: Deployment) -> tuple[set[str], set[str], set[str], list[Path]]:
    """Return all that an upload could leave behind."""
    rows, files = set(deployment.rows()), set(deployment.files())
    return rows, files, set(deployment.creations()), deployment.unfinished()


def count_spooled(deployment: Deployment) -> int:
    """Return how many files without a name the server has open among the images."""
    folder = Path(f"/proc/{deployment.pixy.process_id}/fd")
    count = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = str(path.readlink())
            count += "/.staging/" in target and target.endswith("(deleted)")
    return count


@pytest.mark.fault("F90")
def test_killed_while_an_upload_arrives(deployment: Deployment) -> None:
    before = everything(deployment)
    with unfinished(deployment, bytes(3 * MIB)):
        wait_until(lambda: count_spooled(deployment) == 1)
        deployment.crash()
    assert everything(deployment) == before
    deployment.pixy.start()
    assert upload(deployment, new_png()).status_code == 201


# folders reserved, file, entry, name of the entry, its folder, name of the file, entry removed
STEPS = [*(f"fsync:{number}" for number in (1, 2, 3, 4, 5)), "renameat:1", "rename:1", "unlink:1"]


@pytest.mark.fault("F90")
@pytest.mark.fault("F91")
@pytest.mark.parametrize(
    "points",
    [
        pytest.param(["fsync:2", "rename:1"], id="before and after its entry"),
        pytest.param(STEPS, id="each step", marks=[pytest.mark.slow, pytest.mark.long]),
    ],
)
def test_killed_at_steps_of_keeping_an_upload(
    deployment: Deployment, tmp_path: Path, points: list[str]
) -> None:
    deployment.make_shelves()
    assert upload(deployment, new_png()).status_code == 201
    outcomes = Counter[int]()
    for point in points:
        if not deployment.pixy.is_running:
            deployment.pixy.start()
        content = new_png()
        name, _, number = point.partition(":")
        inject = f"{name}:signal=KILL:when={number}"
        strace = Strace(deployment.pixy.process_id, tmp_path / "killed", name, inject)
        with pytest.raises(httpx2.TransportError):
            upload(deployment, content)
        strace.stop()
        safe = deployment.journal()
        deployment.crash()
        deployment.pixy.start()
        deployment.wait_for_recovery()
        again = upload(deployment, content)
        assert again.status_code == (200 if safe else 201), point
        assert not safe or safe == {again.json()["guid"]}, point
        outcomes[again.status_code] += 1
    # at least one of each: before the entry, and after it
    assert set(outcomes) == {200, 201}


@pytest.mark.fault("F92")
def test_a_client_that_leaves_amid_an_upload(deployment: Deployment) -> None:
    before = everything(deployment)
    for size in (0, 100, 5 * MIB):
        with unfinished(deployment, bytes(size)):
            wait_until(lambda: count_spooled(deployment) == 1)
        wait_until(lambda: count_spooled(deployment) == 0)
    assert everything(deployment) == before
    deployment.killed_in_flight += len(deployment.requests_without_end())


@pytest.mark.fault("F93")
@pytest.mark.parametrize(
    "inject",
    ["fallocate:error=ENOSPC", "pwrite64:error=EIO", "fsync:error=EIO", "renameat:error=EIO"],
)
def test_a_disk_that_fails_during_an_upload(
    deployment: Deployment, tmp_path: Path, inject: str
) -> None:
    deployment.make_shelves()
    upload(deployment, new_png())
    before = everything(deployment)
    strace = Strace(
        deployment.pixy.process_id, tmp_path / "trace", inject.partition(":")[0], inject
    )
    content = new_png()
    answer = upload(deployment, content)
    calls = strace.stop()
    assert any("INJECTED" in call.rest for call in calls), calls
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert everything(deployment) == before
    assert upload(deployment, content).status_code == 201


@pytest.mark.fault("F94")
def test_a_database_that_is_lost_during_an_upload(
    mysql_server: "MySQLServer", deployment: Deployment
) -> None:
    # the sign-in needs the database, so that it is lost after it
    content = new_png() + bytes(MIB)
    before = everything(deployment)

    def send() -> Iterator[bytes]:
        yield content[: MIB // 2]
        wait_until(lambda: count_spooled(deployment) == 1)
        mysql_server.kill()
        yield content[MIB // 2 :]

    with deployment.client() as ada:
        answer = ada.post("/image/upload", content=send(), headers={"Content-Type": "image/png"})
    mysql_server.start()
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] in ("database_unavailable", "database_busy")
    assert everything(deployment) == before
    assert upload(deployment, content).status_code == 201


def read_peak(deployment: Deployment) -> int:
    """Return the most memory that the server has used so far, in bytes."""
    status = Path(f"/proc/{deployment.pixy.process_id}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.slow
@pytest.mark.fault("F95")
@pytest.mark.parametrize("place", ["deploy", "deploy_on_bucket"], ids=["files", "bucket"])
def test_sixteen_uploads_of_50_mb_at_once_keep_memory_flat(
    place: str, request: pytest.FixtureRequest
) -> None:
    deployment: Deployment = request.getfixturevalue(place)()
    users = ["ada", "ben", "cleo", "dora", "eve"]
    for name in users[1:]:
        deployment.pixy.add_user(name, name)
    deployment.pixy.start()
    guid = deployment.make_image()
    side = 7000
    contents = [make_png(side + number, side, 0) for number in range(16)]
    assert all(44 * MIB < len(content) < LARGE for content in contents)
    assert upload(deployment, contents[0]).status_code == 201
    alone = read_peak(deployment)
    with ThreadPoolExecutor(16) as threads, deployment.client() as ada:
        sent = [
            threads.submit(upload, deployment, content, users[number % 5])
            for number, content in enumerate(contents[1:], 1)
        ]
        while not all(each.done() for each in sent):
            assert ada.get(f"/image/{guid}").status_code == 200
        answers = [each.result() for each in sent]
    assert [answer.status_code for answer in answers] == [201] * 15
    together = read_peak(deployment)
    # a block and a connection's buffers for each, one upload on its way to a bucket, and what the
    # allocator keeps
    assert together - alone < 150 * MIB, (alone / MIB, together / MIB)


@pytest.mark.slow
@pytest.mark.fault("F96")
def test_an_edit_that_is_killed_while_the_provider_works(deployment: Deployment) -> None:
    source = upload(deployment, new_png()).json()["guid"]
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads, deployment.provider.holding():
        waiting = threads.submit(edit, deployment, "edited and lost", "k96", source)
        deployment.provider.wait_for_requests(paid + 1)
        deployment.crash()
        assert isinstance(waiting.exception(), httpx2.TransportError)
    deployment.pixy.start()
    deployment.wait_for_recovery()
    again = edit(deployment, "edited and lost", "k96", source)
    assert (again.status_code, again.json()["code"]) == (502, "outcome_unknown")
    assert deployment.provider.paid_requests == paid + 1
    assert deployment.query(f"SELECT image FROM image_sources WHERE source = '{source}'") == []


@pytest.mark.fault("F96")
def test_an_edit_that_is_killed_once_the_journal_has_it(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.make_shelves()
    source = upload(deployment, new_png()).json()
    inject = "rename:signal=KILL:when=1"
    strace = Strace(deployment.pixy.process_id, tmp_path / "killed", "rename", inject)
    with pytest.raises(httpx2.TransportError):
        edit(deployment, "edited and kept", "k96b", source["guid"])
    strace.stop()
    (guid,) = deployment.journal()
    deployment.crash()
    deployment.pixy.start()
    deployment.wait_for_recovery()
    again = edit(deployment, "edited and kept", "k96b", source["guid"])
    assert (again.status_code, again.json()["guid"]) == (201, guid)
    (told,) = again.json()["sources"]
    assert (told["guid"], told["sha256"]) == (source["guid"], source["sha256"])


@pytest.mark.fault("F97")
def test_a_source_that_is_deleted_while_the_provider_works(deployment: Deployment) -> None:
    source = upload(deployment, new_png()).json()
    deployment.deleted.add(source["guid"])
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads, deployment.client() as ada:
        with deployment.provider.holding():
            waiting = threads.submit(edit, deployment, "of a lost one", "k97", source["guid"])
            deployment.provider.wait_for_requests(paid + 1)
            assert ada.delete(f"/image/{source['guid']}").status_code == 204
        answer = waiting.result()
        assert answer.status_code == 201, answer.text
        (told,) = ada.get(f"/image/{answer.json()['guid']}").json()["sources"]
    assert (told["guid"], told["sha256"]) == (source["guid"], source["sha256"])


@pytest.mark.slow
@pytest.mark.fault("F98")
def test_bodies_that_come_a_byte_at_a_time(deployment: Deployment) -> None:
    before = everything(deployment)
    ended = threading.Event()

    def drip(connection: socket.socket) -> bytes:
        with contextlib.suppress(OSError):
            while not ended.wait(0.05):
                connection.send(b"\0")
        return connection.recv(65536)

    with contextlib.ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        connections = [stack.enter_context(unfinished(deployment, b"")) for _ in range(8)]
        answers = [threads.submit(drip, connection) for connection in connections]
        # others are served meanwhile
        deployment.make_image()
        assert upload(deployment, new_png()).status_code == 503
        wait_until(lambda: count_spooled(deployment) == 0)
        ended.set()
        for answer in answers:
            assert answer.result().startswith(b"HTTP/1.1 408 ")
    rows, files, creations, _ = everything(deployment)
    assert (len(rows), len(files)) == (len(before[0]) + 1, len(before[1]) + 1)
    assert creations == before[2]
    assert upload(deployment, new_png()).status_code == 201
