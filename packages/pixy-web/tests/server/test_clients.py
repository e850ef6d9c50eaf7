"""Queued requests of clients that have disconnected."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pixy_web.server.request_log import RequestLog, check_client
from pixy_web.server.run import PROTOCOLS, bind
from pixy_web.threads.threads import Threads

HEAD = b"GET /%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@contextmanager
def serve(app: Starlette, protocol: str) -> Iterator[int]:
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        app, http=PROTOCOLS[protocol], ws="none", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_nothing_is_run_for_a_client_that_left_while_it_waited(protocol: str) -> None:
    threads = Threads(1, "pixy-test", check=check_client)
    release, begun, run = threading.Event(), threading.Semaphore(0), []

    async def answer(request: Request) -> Response:
        name = request.path_params["name"]
        begun.release()
        if name == "first":
            await threads.run(release.wait, 30)
        await threads.run(run.append, name)
        return Response(name)

    app = Starlette(routes=[Route("/{name}", answer)])
    app.add_middleware(RequestLog)
    with serve(app, protocol) as port:
        clients = {}
        for name in (b"first", b"gone", b"last"):
            clients[name] = socket.create_connection(("127.0.0.1", port), timeout=30)
            clients[name].sendall(HEAD % name)
            assert begun.acquire(timeout=30)
        # reset: a client that only closes its sending side may wait for its answer (C852)
        clients[b"gone"].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        clients[b"gone"].close()
        # once the server answers a later request, it has seen the reset
        with socket.create_connection(("127.0.0.1", port), timeout=30) as later:
            later.sendall(b"GARBAGE\r\n\r\n")
            assert later.recv(100).startswith(b"HTTP/1.1 400")
        release.set()
        for name in (b"first", b"last"):
            with clients[name] as client, client.makefile("rb") as answered:
                assert answered.read().endswith(name)
    threads.close()
    assert sorted(run) == ["first", "last"]
