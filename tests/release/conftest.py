"""The option with which a release is checked: the tag that is being built."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the tag."""
    parser.addoption("--tag", default="", help="the tag of a release, such as v0.1.0")


@pytest.fixture
def tag(pytestconfig: pytest.Config) -> str:
    """The tag that is being built; a test that needs one is skipped without it."""
    tag: str = pytestconfig.getoption("tag")
    if not tag:
        pytest.skip("only a release has a tag: --tag v0.1.0")
    return tag
