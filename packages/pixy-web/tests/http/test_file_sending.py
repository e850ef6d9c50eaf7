"""The server's extension for sending files, under applications that use it in every way."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn

from pixy_web.server.protocols import GuardedHttpToolsProtocol
from pixy_web.server.run import bind

BEFORE = bytes(range(256)) * 40_000
"""10 MB, more than waits in the sockets of a client that doesn't read."""
FILE = b"from the file "
APP = Callable[[Any, Any, Any], Any]


@contextmanager
def serve(app: APP, **options: Any) -> Iterator[socket.socket]:
    """Run an application, and connect to it as a client that takes next to nothing at once."""
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        app, http=GuardedHttpToolsProtocol, lifespan="off", log_config=None, **options
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(10)
            client.connect(listener.getsockname())
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def read_body(client: socket.socket, method: str = "GET") -> bytes:
    """Ask, and return the body of the answer up to the end of the connection."""
    client.sendall(f"{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    answer = b"".join(iter(lambda: client.recv(1 << 20), b""))
    return answer.partition(b"\r\n\r\n")[2]


async def begin(send: Any, length: int) -> None:
    headers = [(b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(FILE)
    with path.open("rb") as opened:
        yield opened.fileno()


def test_a_file_follows_what_was_written_before(file: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["extensions"] == {"http.response.zerocopysend": {}}
        await begin(send, len(BEFORE) + 2 * len(FILE) + 4)
        await send({"type": "http.response.body", "body": BEFORE, "more_body": True})
        part = {"type": "http.response.zerocopysend", "file": file, "offset": 0}
        await send({**part, "count": len(FILE), "more_body": True})
        await send({"type": "http.response.body", "body": b"and ", "more_body": True})
        await send({**part, "count": len(FILE)})

    with serve(app) as client:
        assert read_body(client) == BEFORE + FILE + b"and " + FILE


@pytest.mark.parametrize(
    ("offset", "count", "error"), [(0, 100, "EOFError"), (5, 101, "longer than Content-Length")]
)
def test_more_than_there_is_is_an_error(
    file: int, offset: int, count: int, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await begin(send, 100)
        part = {"type": "http.response.zerocopysend", "file": file}
        await send({**part, "offset": offset, "count": count})

    with serve(app) as client:
        body = read_body(client)
    assert body in (b"", FILE)
    assert error in caplog.text


def test_what_is_encrypted_is_no_file_to_send(tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b"none" if "extensions" not in scope else b"some"
        await begin(send, len(body))
        await send({"type": "http.response.body", "body": body})

    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "key")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with (
        serve(app, ssl_certfile=str(tmp_path / "key")) as client,
        context.wrap_socket(client, server_hostname="localhost") as encrypted,
    ):
        assert read_body(encrypted) == b"none"
