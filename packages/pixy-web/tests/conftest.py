"""Fixtures: real servers on real sockets."""

from collections.abc import Callable, Iterator

import pytest

from provider import Provider
from running_service import RunningService, run_service


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker for cases of docs/api.md."""
    config.addinivalue_line("markers", "case(number): the case of docs/api.md that a test shows")


@pytest.fixture(scope="session", autouse=True)
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Name a folder of certificates instead of a file: a file is read at once, for 20 ms.

    No provider of these tests has a certificate.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("SSL_CERT_FILE", raising=False)
        environment.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        yield


@pytest.fixture
def start_service(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., RunningService]]:
    """Start services with the test's own settings; they are stopped after the test."""
    running: list[RunningService] = []

    def start(**overrides: object) -> RunningService:
        service = run_service(tmp_path_factory.mktemp("data"), **overrides)
        running.append(service)
        return service

    yield start
    for service in running:
        service.stop()


@pytest.fixture
def fresh(start_service: Callable[..., RunningService]) -> RunningService:
    """A service without users and images."""
    return start_service()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service shared by the tests of a module; each test adds its own users."""
    running = run_service(tmp_path_factory.mktemp("data"))
    yield running
    running.stop()


@pytest.fixture
def provider() -> Iterator[Provider]:
    """The stand-in for the OpenAI API."""
    with Provider() as running:
        yield running


@pytest.fixture
def patient(provider: Provider, start_service: Callable[..., RunningService]) -> RunningService:
    """A service whose images come from the provider, two at once."""
    return start_service(
        generator="openai",
        openai_api_key="sk-of-the-test",
        openai_base_url=provider.base_url,
        generation_concurrency=2,
    )
