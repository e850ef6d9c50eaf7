"""Fixtures: the services that the tests attack, and the amount of fuzzing."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from door import Door, start_door


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the number of fuzzing inputs."""
    parser.addoption("--examples", type=int, default=200, help="inputs of each fuzz test")


def pytest_configure(config: pytest.Config) -> None:
    """Set the number of fuzzing inputs; by default the inputs are the same in each run."""
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
    """A service for each parser, for tests that depend on the parser."""
    folder = tmp_path_factory.mktemp(request.param)
    door = start_door(
        folder, PIXY_HTTP_PARSER=request.param, PIXY_ALLOWED_HOSTS="pixy.example,127.0.0.1"
    )
    yield door
    door.pixy.kill()
