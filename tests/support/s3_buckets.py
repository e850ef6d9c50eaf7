"""Buckets on real S3 servers, which are started once for all tests of a process."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from s3_server import SERVERS, S3Server


@pytest.fixture(scope="session")
def start_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], S3Server]]:
    """Return a function that returns a running server, `seaweedfs` or `moto`, with a bucket."""
    servers: dict[str, S3Server] = {}
    with ExitStack() as running:

        def start(name: str) -> S3Server:
            if name not in servers:
                server = SERVERS[name](tmp_path_factory.mktemp(name))
                servers[name] = running.enter_context(server)
                server.make_bucket("pixy")
            return servers[name]

        yield start


@pytest.fixture
def use_bucket(
    start_s3: Callable[[str], S3Server], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Return a function that sets the environment for a server, and returns a new prefix on it."""

    def use(name: str, endpoint: str | None = None) -> str:
        server = start_s3(name)
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint or server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        return f"s3://pixy/{uuid.uuid4()}"

    return use
