"""How many modules one request passes: each is one more to open for a reader who follows it."""

import threading
from collections.abc import Callable
from types import FrameType

import pytest

from pixy_web.server.log_lines import current_request_id
from running_service import RunningService

ASIDE = "-"
"""The request id of code that serves no request."""


@pytest.fixture
def passed() -> set[str]:
    return set()


@pytest.fixture
def watched(passed: set[str], start_service: Callable[..., RunningService]) -> RunningService:
    """A service whose threads note the modules in which they serve requests."""

    def note(frame: FrameType, event: str, argument: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("pixy_") and current_request_id.get() != ASIDE:
            passed.add(module)

    threading.setprofile(note)
    try:
        return start_service()
    finally:
        threading.setprofile(None)


def test_a_read_with_a_remembered_password_passes_few_modules(
    watched: RunningService, passed: set[str]
) -> None:
    client = watched.sign_in()
    path = f"/image/{watched.make_image(client)['guid']}"
    assert client.get(path).status_code == 200
    watched.log_lines()
    passed.clear()
    assert client.get(path).status_code == 200
    watched.log_lines()
    assert "pixy_data.users" in passed
    assert len(passed) <= 18, sorted(passed)
