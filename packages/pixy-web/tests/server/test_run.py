"""The uvicorn server that runs the application."""

import asyncio
import re
import threading
from pathlib import Path

import pytest
from fastapi import FastAPI

from pixy_web.app import create_app
from pixy_web.server.run import build_server
from pixy_web.settings import Settings


def test_it_runs_on_httptools_and_uvloop(tmp_path: Path) -> None:
    # uvicorn silently falls back to slower ones if these are not installed
    settings = Settings(generator="sketch", data_dir=tmp_path)
    config = build_server(FastAPI(), settings).config
    config.load()
    assert config.http_protocol_class.__name__ == "GuardedHttpToolsProtocol"
    loop = config.get_loop_factory()()
    loop.close()
    assert type(loop).__module__ == "uvloop"


def test_idle_connections_are_kept_longer_than_in_the_documented_proxy(tmp_path: Path) -> None:
    settings = Settings(generator="sketch", data_dir=tmp_path)
    kept = build_server(FastAPI(), settings).config.timeout_keep_alive
    page = (Path(__file__).parents[4] / "docs/proxy.md").read_text()
    times = [int(seconds) for seconds in re.findall(r"keepalive_timeout (\d+)s;", page)]
    assert times
    assert max(times) < kept
    assert f"less than {kept} seconds" in page


def test_all_threads_end_when_the_server_fails(tmp_path: Path) -> None:
    app = create_app(Settings(generator="sketch", data_dir=tmp_path))
    before = set(threading.enumerate())

    async def fail() -> None:
        async with app.router.lifespan_context(app):
            assert opened() > set()
            raise RuntimeError

    def opened() -> set[threading.Thread]:
        started = set(threading.enumerate()) - before
        # the threads of asyncio.to_thread end with the loop
        return {thread for thread in started if thread.name.startswith("pixy")}

    with pytest.raises(RuntimeError):
        asyncio.run(fail())
    assert not opened()
