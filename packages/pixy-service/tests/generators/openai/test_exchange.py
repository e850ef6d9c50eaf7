"""Failures before any of a request has left: they cost nothing, and say so."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pixy_core import (
    GenerationError,
    GenerationTimeoutError,
    GenerationUnknownError,
    GeneratorClientError,
    GeneratorUnreachableError,
)
from pixy_service.generators.interface import ImageOrder
from pixy_service.generators.openai.generator import OpenAIGenerator
from provider import Provider
from provider_answers import PNG

KEY = "sk-secret-of-the-server"
ELSEWHERE = "https://provider.invalid/v1"


def make_generator(base_url: str, timeout: float = 20, model: str = "m") -> OpenAIGenerator:
    return OpenAIGenerator(KEY, base_url=base_url, model=model, timeout=timeout)


def fail(generator: OpenAIGenerator) -> GenerationError:
    with pytest.raises(GenerationError) as caught:
        generator.generate(ImageOrder("a fox", "ann"))
    return caught.value


@contextlib.contextmanager
def serve(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """Listen, and give each connection to `answer`, which it outlives until this is left."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connections.append(connection)
                    answer(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


def keep_silent(connection: socket.socket) -> None:
    connection.recv(1)


def hang_up(connection: socket.socket) -> None:
    connection.recv(1)
    connection.close()


def refuse(connection: socket.socket) -> None:
    connection.recv(1)
    connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("answer", [keep_silent, hang_up, refuse])
def test_a_proxy_that_makes_no_tunnel_never_got_the_request(
    answer: Callable[[socket.socket], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy}")
        error = fail(make_generator(ELSEWHERE, timeout=2))
    assert type(error) is GeneratorUnreachableError


def test_a_server_without_a_handshake_never_got_the_request() -> None:
    with serve(keep_silent) as server:
        error = fail(make_generator(f"https://{server}/v1", timeout=2))
    assert type(error) is GeneratorUnreachableError


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(keep_silent, GenerationTimeoutError), (hang_up, GenerationUnknownError)],
)
@pytest.mark.parametrize("is_proxy", [False, True])
def test_a_request_that_a_server_or_a_proxy_got_may_have_been_billed(
    answer: Callable[[socket.socket], object],
    outcome: type[GenerationError],
    is_proxy: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serve(answer) as server:
        if is_proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://{server}")
        host = "provider.invalid" if is_proxy else server
        error = fail(make_generator(f"http://{host}/v1", timeout=2))
    assert (type(error), error.billed) == (outcome, "unknown")


def test_certificates_that_are_gone_are_the_client_s_failure_until_they_are_back(
    provider: Provider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "certificates"
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder))
    generator = make_generator(provider.base_url)
    error = fail(generator)
    assert (type(error), error.billed, error.retryable) == (GeneratorClientError, "no", True)
    assert "could not be asked: FileNotFoundError No such file" in caplog.text
    assert provider.connections == 0
    monkeypatch.delenv("SSL_CERT_FILE")
    assert generator.generate(ImageOrder("a fox", "ann")).content == PNG


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALL_PROXY", "socks5://proxy"), ("OPENAI_ORG_ID", "org-ü"), ("HTTP_PROXY", "ftp://proxy")],
)
def test_a_client_that_can_t_be_built_asks_nobody(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert type(fail(make_generator(provider.base_url))) is GeneratorClientError
    assert provider.connections == 0


def test_a_request_that_can_t_be_written_asks_nobody(provider: Provider) -> None:
    generator = make_generator(provider.base_url, model="\ud83d")
    assert type(fail(generator)) is GeneratorClientError
    assert provider.connections == 0


WITHOUT_DESCRIPTORS = """
import resource, sys
from pixy_core import GenerationError
from pixy_service.generators.interface import ImageOrder
from pixy_service.generators.openai.generator import OpenAIGenerator
generator = OpenAIGenerator("k", base_url=sys.argv[1], model="m", timeout=20)
generator.generate(ImageOrder("a fox", "ann"))
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
try:
    generator.generate(ImageOrder("a fox", "ann"))
except GenerationError as error:
    print(type(error).__name__, error.billed)
"""


def test_without_descriptors_nobody_is_asked(provider: Provider) -> None:
    # in a process of its own: no loop can be made, and half of one complains when it is collected
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DESCRIPTORS, provider.base_url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "GeneratorClientError no\n"
    assert provider.connections == 1
