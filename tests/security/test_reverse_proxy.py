"""The nginx configuration of docs/proxy.md, run unchanged."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from door import OWNER, start_door
from front import NAME, Front, read_configurations, read_settings, replace_all, run_front
from installed_pixy import InstalledPixy
from provider_answers import make_png


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    door = start_door(folder, **read_settings())
    configuration = replace_all(
        read_configurations()[0], {"127.0.0.1:8000": door.url.removeprefix("http://")}
    )
    with run_front(folder, configuration, door) as front:
        yield front
    door.pixy.kill()


class HeaderReader(BaseHTTPRequestHandler):
    """Answers with the names of the header fields that it gets."""

    def do_GET(self) -> None:
        names = "\n".join(self.headers).lower().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(names)))
        self.end_headers()
        self.wfile.write(names)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_a_client_names_no_trace(front: Front, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), HeaderReader) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        backend = {"127.0.0.1:8000": f"127.0.0.1:{server.server_port}"}
        configuration = replace_all(read_configurations()[0], backend)
        with run_front(tmp_path, configuration, front.door) as other:
            named = {
                "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
                "tracestate": "x=y",
                "other": "z",
            }
            names = other.ask("GET", "/image", headers=named).text.splitlines()
        server.shutdown()
    assert named.keys() & set(names) == {"other"}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Front, list[InstalledPixy]]]:
    """Two servers of one service behind the proxy."""
    door = start_door(tmp_path, **read_settings())
    folder = tmp_path / "other"
    folder.mkdir()
    servers = [door.pixy, InstalledPixy(folder, **door.pixy.environment)]
    servers[1].start()
    one, two, _ = read_configurations()
    upstream = one[: one.index("}") + 1]
    addresses = {
        f"127.0.0.1:{8000 + number}": server.url.removeprefix("http://")
        for number, server in enumerate(servers)
    }
    configuration = one.replace(upstream, replace_all(two, addresses))
    with run_front(tmp_path, configuration, door) as front:
        yield front, servers
    for server in servers:
        server.kill()


def restart_in_turn(
    front: Front, servers: list[InstalledPixy], end: Callable[[InstalledPixy], object]
) -> set[int | str]:
    """End and start each server while others read, and return what came of the reads."""
    is_over = threading.Event()

    def read() -> set[int | str]:
        outcomes = set[int | str]()
        while not is_over.is_set():
            try:
                outcomes.add(front.ask("GET", "/image").status_code)
            except httpx2.RemoteProtocolError:
                outcomes.add("cut")
            is_over.wait(0.03)  # as many reads as possible would only slow the restarts down
        return outcomes

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            for server in servers:
                port = urlsplit(server.url).port
                end(server)
                server.start(port=port)
        finally:
            is_over.set()
        return readers[0].result() | readers[1].result()


def test_two_servers_are_restarted_in_turn_without_an_error_for_readers(
    pair: tuple[Front, list[InstalledPixy]],
) -> None:
    front, servers = pair
    assert restart_in_turn(front, servers, InstalledPixy.stop) == {200}
    # nginx can't ask again for an answer that it has begun to send
    assert restart_in_turn(front, servers, InstalledPixy.kill) - {"cut"} == {200}


def test_an_image_is_made_and_shown_over_tls(front: Front) -> None:
    body = {"prompt": "over TLS", "visibility": "public"}
    made = front.ask("POST", "/image", user=OWNER, json=body)
    assert made.status_code == 201
    shown = front.ask("GET", f"{made.headers['location']}/content")
    assert shown.content.startswith(b"\x89PNG")
    assert shown.headers["strict-transport-security"] == "max-age=31536000"
    assert shown.headers["cache-control"] == "public, max-age=60"
    assert front.ask("HEAD", "/").status_code == 200


def test_requests_without_tls_are_redirected_to_it(front: Front) -> None:
    url = f"http://127.0.0.1:{front.http_port}/image?limit=1"
    answer = httpx2.get(url, headers={"Host": NAME}, trust_env=False)
    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://{NAME}/image?limit=1"


def test_each_client_is_counted_by_its_own_address(front: Front) -> None:
    def guess(number: int, source: str) -> int:
        forged = {"X-Forwarded-For": f"203.0.113.{number}"}
        options = {"user": "bob", "password": f"wrong {number}", "headers": forged}
        return front.ask("GET", "/image", source=source, **options).status_code  # type: ignore[arg-type]

    # 127.0.0.1 is a trusted proxy here, so the clients have other addresses
    assert [guess(number, "127.0.0.2") for number in range(6)] == [401] * 5 + [429]
    assert guess(6, "127.0.0.3") == 401
    assert front.ask("GET", "/image", source="127.0.0.3", user="bob").status_code == 200


def test_writes_of_the_own_page_are_accepted_and_those_of_others_refused(front: Front) -> None:
    body = {"prompt": "x"}
    own, other = ({"Origin": origin} for origin in (f"https://{NAME}", "https://other.example"))
    assert front.ask("POST", "/image", user=OWNER, json=body, headers=own).status_code == 201
    assert front.ask("POST", "/image", user=OWNER, json=body, headers=other).status_code == 403


def test_a_large_body_is_refused_by_the_service_and_not_by_the_proxy(front: Front) -> None:
    answer = front.ask("POST", "/image", user=OWNER, json={"prompt": "x" * 300_000})
    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"


def test_an_upload_passes_the_proxy(front: Front) -> None:
    content = make_png(2000, 2000, 0)
    answer = front.ask("POST", "/image/upload", user=OWNER, files={"file": ("cat.png", content)})
    assert answer.status_code == 201, answer.text
    shown = front.ask("GET", f"{answer.headers['location']}/content", user=OWNER)
    assert shown.content == content


def test_another_host_is_refused(front: Front) -> None:
    answer = front.ask("GET", "/image", headers={"Host": "other.example"})
    assert answer.status_code == 400


def test_the_proxy_waits_longer_than_an_image_takes() -> None:
    (seconds,) = re.findall(r"proxy_read_timeout\s+(\d+)s;", read_configurations()[0])
    assert int(seconds) > 200
