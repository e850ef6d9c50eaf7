"""The pytest plugin that starts long tests first, so that no worker waits for one at the end.

pytest-xdist gives each worker a part of the list of tests, and a worker that has finished takes
tests from the end of another one's part; never the one that runs there, nor the next.
"""

import os

import pytest


@pytest.hookimpl(trylast=True)  # after tests were deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin each worker's part with a long test, and end it with one if there are more."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        items[:] = spread_long_tests(items, workers)


def spread_long_tests(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the tests in the order for so many workers."""
    long = [item for item in items if item.get_closest_marker("long")]
    short = [item for item in items if item not in long]
    spread: list[pytest.Item] = []
    for number in range(workers):
        mine = long[number::workers]
        size = (len(items) - len(spread)) // (workers - number)
        others = max(0, size - len(mine))
        spread += [*mine[:1], *short[:others], *mine[1:]]
        short = short[others:]
    return spread + short
