"""Processes that are killed or stopped, and clients that hang up.

Rows F01 to F05, F20, F45, F46, F60 and F61.
"""

import os
import signal
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from deployment import Deployment, wait_until
from installed_pixy import PASSWORD
from syscalls import Strace

DATABASE_WRITES = "sendto,pwrite64"


def post_and_die(deployment: Deployment, trace: Path, name: str, inject: str) -> None:
    """Request an image, with its prompt as its key, and kill the server at a system call."""
    calls = inject.partition(":")[0]
    strace = Strace(deployment.pixy.pid, trace, calls, inject)
    with pytest.raises(httpx2.TransportError):
        deployment.post(name, name)
    strace.stop()
    deployment.crash()


@pytest.mark.fault("F01")
def test_the_server_is_killed_before_the_provider_is_asked(
    deployment: Deployment, tmp_path: Path
) -> None:
    deployment.make_image("so that all is warm")
    before = deployment.provider.paid_requests
    inject = f"{DATABASE_WRITES}:signal=KILL:when=1"
    post_and_die(deployment, tmp_path / "trace", "dies early", inject)
    assert deployment.provider.paid_requests == before
    deployment.pixy.start()
    wait_until(lambda: "pending" not in deployment.creations().values())
    assert deployment.post("dies early", "dies early").status_code == 201
    assert deployment.provider.paid_requests == before + 1


@pytest.mark.slow
@pytest.mark.fault("F02")
def test_the_server_is_killed_while_the_provider_works(deployment: Deployment) -> None:
    before = deployment.provider.paid_requests
    rows = deployment.rows()
    with ThreadPoolExecutor(1) as threads, deployment.provider.holding():
        lost = threads.submit(deployment.post, "dies meanwhile", "k")
        deployment.provider.wait_for_requests(before + 1)
        deployment.crash()
        assert isinstance(lost.exception(), httpx2.TransportError)
    deployment.pixy.start()
    wait_until(lambda: "pending" not in deployment.creations().values())
    for _ in range(2):
        again = deployment.post("dies meanwhile", "k")
        assert (again.status_code, again.json()["code"]) == (502, "outcome_unknown")
        assert again.json()["billed"] == "unknown"
    assert deployment.provider.paid_requests == before + 1
    assert deployment.rows() == rows
    unknown = [guid for guid, status in deployment.creations().items() if status == "unknown"]
    assert len(unknown) == 1
    assert f"creation {unknown[0]} is unknown" in deployment.pixy.log


@pytest.mark.fault("F03")
def test_the_server_is_killed_once_the_image_is_in_the_journal(
    deployment: Deployment, tmp_path: Path
) -> None:
    before = deployment.provider.paid_requests
    # the journal entry has its name; the next rename is that of the image's file
    inject = "rename:signal=KILL:when=1"
    post_and_die(deployment, tmp_path / "trace", "dies late", inject)
    (guid,) = deployment.journal()
    assert guid not in deployment.rows()
    deployment.pixy.start()
    wait_until(lambda: not deployment.journal())
    again = deployment.post("dies late", "dies late")
    assert (again.status_code, again.json()["guid"]) == (201, guid)
    assert again.headers["idempotent-replayed"] == "true"
    assert deployment.provider.paid_requests == before + 1
    assert guid in deployment.rows()


@pytest.mark.fault("F04")
def test_an_image_is_made_even_if_its_client_hangs_up(deployment: Deployment) -> None:
    address = urlsplit(deployment.pixy.url)
    credentials = b64encode(f"ada:{PASSWORD}".encode()).decode()
    head = f"POST /image HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {credentials}\r\n"
    body = b'{"prompt": "nobody waits for this"}'
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    before, rows = deployment.provider.paid_requests, len(deployment.rows())
    with (
        deployment.provider.holding(),
        socket.create_connection((address.hostname, address.port)) as connection,
    ):
        connection.sendall(head.encode() + body)
        deployment.provider.wait_for_requests(before + 1)
        connection.close()
    wait_until(lambda: len(deployment.rows()) == rows + 1)


@pytest.mark.fault("F05")
def test_a_stop_lets_running_creates_finish_and_takes_no_more(deployment: Deployment) -> None:
    before, rows = deployment.provider.paid_requests, len(deployment.rows())
    with deployment.client() as ada, ThreadPoolExecutor(2) as threads:
        # requests on open connections are still answered while the server stops
        assert ada.get("/image").status_code == 200
        with deployment.provider.holding():
            running = [threads.submit(deployment.post, f"running {number}") for number in range(2)]
            deployment.provider.wait_for_requests(before + 2)
            deployment.pixy.signal(signal.SIGTERM)
            wait_until(lambda: "Shutting down" in deployment.pixy.log)
            try:
                refused = ada.post("/image", json={"prompt": "too late"})
            except httpx2.TransportError:
                pass  # the connection was closed before: the provider got no request
            else:
                assert (refused.status_code, refused.json()["code"]) == (503, "shutting_down")
        assert [each.result().status_code for each in running] == [201, 201]
    assert deployment.pixy.wait() in (0, -signal.SIGTERM)
    assert deployment.provider.paid_requests == before + 2
    assert len(deployment.rows()) == rows + 2


def make_while_signalled(deployment: Deployment, name: str, *numbers: signal.Signals) -> None:
    """Send signals to each process while an image is made, and check that it is stored."""
    before, rows = deployment.provider.paid_requests, len(deployment.rows())
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            running = threads.submit(deployment.post, name)
            deployment.provider.wait_for_requests(before + 1)
            for number in numbers:
                for process in (*deployment.pixy.workers(), deployment.pixy.pid):
                    os.kill(process, number)
            # Python runs a handler a moment after the signal
            time.sleep(0.5)
        assert running.result().status_code == 201
    assert len(deployment.rows()) == rows + 1


@pytest.mark.slow
@pytest.mark.fault("F45")
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_sighup_stops_the_server_once_its_images_are_made(
    deploy: Callable[..., Deployment], number: signal.Signals, workers: int
) -> None:
    deployment = deploy()
    deployment.pixy.start("--workers", str(workers))
    make_while_signalled(deployment, f"{number.name} to {workers}", number)
    assert deployment.pixy.wait() in (0, -signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.fault("F46")
@pytest.mark.parametrize("workers", [1, 2])
def test_unused_signals_end_no_process(deploy: Callable[..., Deployment], workers: int) -> None:
    deployment = deploy()
    deployment.pixy.start("--workers", str(workers))
    processes = deployment.pixy.workers()
    make_while_signalled(deployment, f"{workers} users", signal.SIGUSR1, signal.SIGUSR2)
    deployment.make_image("still there")
    assert deployment.pixy.workers() == processes


@pytest.mark.slow
@pytest.mark.fault("F20")
def test_a_killed_worker_is_replaced_while_the_others_serve(deploy: object) -> None:
    deployment: Deployment = deploy()  # type: ignore[operator]
    deployment.pixy.start("--workers", "2")
    deployment.make_image("before")
    victim, other = deployment.pixy.workers()
    wait_until(lambda: not deployment.requests_without_end())
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(set(deployment.pixy.workers()) - {victim, other}) == 1)
    deployment.make_image("after")


def listens(url: str) -> bool:
    """Return whether a new connection is accepted."""
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.fault("F60")
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_server_that_stops_refuses_connections_while_its_images_are_made(
    deploy: Callable[..., Deployment], workers: int
) -> None:
    deployment = deploy()
    deployment.pixy.start("--workers", str(workers))
    before = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            running = threads.submit(deployment.post, f"refuses with {workers}")
            deployment.provider.wait_for_requests(before + 1)
            deployment.pixy.signal(signal.SIGTERM)
            wait_until(lambda: not listens(deployment.pixy.url), "connections to be refused")
        assert running.result().status_code == 201
    assert deployment.pixy.wait() in (0, -signal.SIGTERM)


@pytest.mark.fault("F61")
def test_workers_without_their_supervisor_finish_their_images_and_end(
    deploy: Callable[..., Deployment],
) -> None:
    deployment = deploy()
    deployment.pixy.start("--workers", "2")
    workers = deployment.pixy.workers()
    before = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            running = threads.submit(deployment.post, "orphaned")
            deployment.provider.wait_for_requests(before + 1)
            deployment.pixy.signal(signal.SIGKILL)
            deployment.pixy.wait()
            # the address is free for a restart
            wait_until(lambda: not listens(deployment.pixy.url), "connections to be refused")
        assert running.result().status_code == 201
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert len(deployment.rows()) == 1
