"""The server under the application."""

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
