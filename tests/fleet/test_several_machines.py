"""The samples of docs/several-machines.md: nginx runs with its upstream, the others are read."""

import json
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from door import OWNER, Door
from front import Front, read_configurations, read_settings, replace_all, run_front
from installed_pixy import InstalledPixy
from provider import Provider
from reverse_proxies import find_free_port

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "several-machines.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ADDRESSES = [f"10.0.0.{number}:8000" for number in (11, 12, 13)]


def read_blocks(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


def configure(addresses: list[str]) -> str:
    """Return the configuration of docs/proxy.md with the upstream of this page."""
    (upstream,) = read_blocks("nginx")
    # failures must not be forgotten during a test
    names = dict(zip(ADDRESSES, addresses, strict=True)) | {"fail_timeout=10s": "fail_timeout=600s"}
    whole = read_configurations()[0]
    return whole.replace(whole[: whole.index("}") + 1], replace_all(upstream, names))


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def two_servers(
    tmp_path_factory: pytest.TempPathFactory, provider: Provider
) -> Iterator[list[InstalledPixy]]:
    folder = tmp_path_factory.mktemp("servers")
    settings = {
        "PIXY_DATABASE_URL": f"sqlite:///{folder / 'pixy.db'}",
        "PIXY_DATA_DIR": str(folder / "data"),
        "OPENAI_API_KEY": "sk-of-the-test",
        "OPENAI_BASE_URL": provider.base_url,
        **read_settings(),
    }
    servers = []
    for number in range(2):
        (folder / str(number)).mkdir()
        servers.append(InstalledPixy(folder / str(number), **settings))
    servers[0].add_user(OWNER)
    yield servers
    for server in servers:
        server.kill()


@pytest.fixture
def servers(two_servers: list[InstalledPixy]) -> list[InstalledPixy]:
    """Two running servers on one database and data folder."""
    for server in two_servers:
        if not server.is_running:
            server.start()
    return two_servers


class Trap:
    """An upstream that closes each connection, and counts them."""

    def __init__(self) -> None:
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                connection.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.close()


def addresses_of(servers: list[InstalledPixy], third: str) -> list[str]:
    return [*(server.url.removeprefix("http://") for server in servers), third]


def post(front: Front, prompt: str) -> int:
    body = {"prompt": prompt}
    return front.ask("POST", "/image", user=OWNER, json=body, timeout=60).status_code


def get(front: Front) -> int:
    return front.ask("GET", "/image", timeout=60).status_code


def test_a_server_that_failed_twice_is_left_alone(
    tmp_path: Path, servers: list[InstalledPixy], trap: Trap
) -> None:
    configuration = configure(addresses_of(servers, trap.address))
    with run_front(tmp_path, configuration, Door(servers[0])) as front:
        assert [get(front) for _ in range(20)] == [200] * 20
    assert trap.accepted == 2


def test_reads_and_creates_succeed_though_two_of_three_servers_are_dead(
    tmp_path: Path, servers: list[InstalledPixy]
) -> None:
    dead = f"127.0.0.1:{find_free_port()}"
    with run_front(tmp_path, configure(addresses_of(servers, dead)), Door(servers[0])) as front:
        assert post(front, "before") == 201
        servers[1].kill()
        assert [post(front, f"number {number}") for number in range(4)] == [201] * 4
        assert [get(front) for _ in range(6)] == [200] * 6


def test_a_post_whose_server_died_is_not_repeated(
    tmp_path: Path, servers: list[InstalledPixy], provider: Provider
) -> None:
    dead = f"127.0.0.1:{find_free_port()}"
    paid, lengths = provider.paid_requests, [len(server.log) for server in servers]
    with (
        run_front(tmp_path, configure(addresses_of(servers, dead)), Door(servers[0])) as front,
        ThreadPoolExecutor(1) as threads,
        provider.holding(),
    ):
        posted = threads.submit(post, front, "its server dies")
        provider.wait_for_requests(paid + 1)
        (working,) = (
            server
            for server, length in zip(servers, lengths, strict=True)
            if "REQUEST START POST" in server.log[length:]
        )
        working.kill()
        assert posted.result() == 502
        assert get(front) == 200
        assert provider.paid_requests == paid + 1


def longest_stop() -> float:
    """Return the seconds that a server on a bucket may need to stop, with the default settings."""
    text = (DOCS / "configuration.md").read_text()
    (timeout,) = re.findall(r"`PIXY_GENERATION_TIMEOUT` \| `([\d.]+)`", text)
    return float(timeout) + 120


def test_each_system_waits_longer_than_an_image_takes() -> None:
    (deployment,) = map(yaml.safe_load, read_blocks("yaml"))
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    _, pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] - float(pause) >= longest_stop()
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"]
    table = dict(re.findall(r"^\| ([\w ]+) \| `\w+[=:] ?(\d+)s?` \|", PAGE, re.MULTILINE))
    assert set(table) == {"systemd", "Docker Compose", "Kubernetes"}
    assert {float(seconds) >= longest_stop() for seconds in table.values()} == {True}
    assert float(table["Kubernetes"]) == pod["terminationGracePeriodSeconds"]


def test_systemd_takes_the_addition_to_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    (addition,) = read_blocks("systemd")
    unit = (DOCS.parent / "deploy/pixy.service").read_text()
    path = tmp_path / "pixy.service"
    folder = tmp_path / "pixy.service.d"
    folder.mkdir()
    for file, text in ((path, unit), (folder / "several.conf", addition)):
        there = text.replace("/opt/pixy/bin/pixy", "/bin/true").replace("User=pixy", "User=root")
        file.write_text(there)
    done = subprocess.run(
        [program, "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    assert not [line for line in done.stderr.splitlines() if "pixy.service" in line]


def test_the_policy_and_the_lifecycle_are_about_one_prefix() -> None:
    policy, lifecycle = map(json.loads, read_blocks("json"))
    objects, bucket = policy["Statement"]
    (rule,) = lifecycle["Rules"]
    prefix = rule["Filter"]["Prefix"]
    assert objects["Resource"] == f"{bucket['Resource']}/{prefix}*"
    assert bucket["Condition"] == {"StringLike": {"s3:prefix": f"{prefix}*"}}
    name = bucket["Resource"].removeprefix("arn:aws:s3:::")
    (settings,) = read_blocks("dotenv")
    assert f"PIXY_CONTENT=s3://{name}/{prefix.rstrip('/')}\n" in settings
    copies = re.findall(r"--to (s3://\S+)", PAGE)
    assert set(copies) == {f"s3://{name}/{prefix.rstrip('/')}"}
    # a rule for current objects would delete images
    assert rule["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] > 0


def test_the_commands_are_legible_and_the_settings_complete(tmp_path: Path) -> None:
    for block in read_blocks("sh"):
        subprocess.run(["sh", "-n"], input=block, text=True, check=True)
    (settings,) = read_blocks("dotenv")
    lines = [line.partition("=") for line in settings.splitlines()]
    assert all(name and value for name, _, value in lines)
    assert len({name for name, _, _ in lines}) == len(lines)
