"""Fixtures: the installed command, which exports its traces to a receiver."""

from collections.abc import Callable, Iterator

import pytest

from installed_pixy import InstalledPixy
from new_databases import create_tables
from otlp_receiver import OtlpReceiver
from provider import Provider


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """The collector."""
    with OtlpReceiver() as running:
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """The stand-in for the OpenAI API."""
    with Provider() as running:
        yield running


@pytest.fixture(scope="module")
def make_pixy(
    tmp_path_factory: pytest.TempPathFactory, receiver: OtlpReceiver, provider: Provider
) -> Iterator[Callable[..., InstalledPixy]]:
    """Make commands that trace, with images from the provider; they are not started."""
    made: list[InstalledPixy] = []

    def make(**environment: str) -> InstalledPixy:
        settings = {
            "PIXY_TRACING": "true",
            "PIXY_LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OPENAI_API_KEY": "sk-of-the-test",
            "OPENAI_BASE_URL": provider.base_url,
        }
        pixy = InstalledPixy(tmp_path_factory.mktemp("pixy"), **settings | environment)
        create_tables(pixy.database_url)
        made.append(pixy)
        return pixy

    yield make
    for pixy in made:
        pixy.kill()
