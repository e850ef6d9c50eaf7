"""The server under the application."""

import subprocess
import sys
from pathlib import Path

from fastapi import FastAPI

from pixy_web.server import build_server
from pixy_web.settings import Settings


def test_it_runs_on_the_fast_parser_and_loop(tmp_path: Path) -> None:
    # uvicorn falls back to slower ones, silently, where these are not installed
    settings = Settings(generator="sketch", data_dir=tmp_path)
    config = build_server(FastAPI(), settings).config
    config.load()
    assert config.http_protocol_class.__name__ == "GuardedHttpToolsProtocol"
    loop = config.get_loop_factory()()
    loop.close()
    assert type(loop).__module__ == "uvloop"


def test_a_worker_keeps_what_it_loaded_out_of_collections(tmp_path: Path) -> None:
    program = """
import asyncio, gc
from pixy_web.app import create_app_from_environment

async def open_app():
    app = create_app_from_environment()
    async with app.router.lifespan_context(app):
        print(gc.get_freeze_count(), len(gc.get_objects()))

asyncio.run(open_app())
"""
    environment = {"PIXY_GENERATOR": "sketch", "PIXY_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    frozen, rest = map(int, done.stdout.split())
    assert frozen > 10 * rest
