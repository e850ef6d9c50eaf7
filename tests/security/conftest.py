"""The services that the tests knock at."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from door import Door, start_door


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add how long to fuzz."""
    parser.addoption("--examples", type=int, default=200, help="inputs of each fuzz test")


def pytest_configure(config: pytest.Config) -> None:
    """Fuzz with as many inputs as are asked for, and with the same ones where nobody asks."""
    examples = config.getoption("examples")
    settings.register_profile(
        "asked",
        max_examples=examples,
        derandomize=examples <= 1000,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("asked")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A service that the tests of a module share."""
    door = start_door(tmp_path_factory.mktemp("door"))
    yield door
    door.pixy.kill()


@pytest.fixture(scope="module", params=["httptools", "h11"])
def either_door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """A service over each of the parsers, for what depends on them."""
    folder = tmp_path_factory.mktemp(request.param)
    door = start_door(
        folder, PIXY_HTTP_PARSER=request.param, PIXY_ALLOWED_HOSTS="pixy.example,127.0.0.1"
    )
    yield door
    door.pixy.kill()
