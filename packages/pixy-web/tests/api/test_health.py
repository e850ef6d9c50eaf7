"""Live and ready: cases C801 and C802."""

import time
from collections.abc import Callable

import pytest

from running_service import RunningService


@pytest.mark.case("C801")
def test_live_and_ready_answer_when_all_is_well(service: RunningService) -> None:
    client = service.client()
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json() == {"status": "ready"}


@pytest.mark.case("C854")
def test_head_is_answered_as_get_without_a_body(service: RunningService) -> None:
    client = service.client()
    for path in ("/health/live", "/health/ready"):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.case("C802")
def test_without_its_database_the_service_lives_and_recovers(
    start_service: Callable[..., RunningService], tmp_path: object
) -> None:
    from pathlib import Path

    blocked = Path(str(tmp_path)) / "folder"
    blocked.write_text("a file where the database's folder should be")
    service = start_service(database_url=f"sqlite:///{blocked}/pixy.sqlite3")
    client = service.client()
    assert client.get("/health/live").status_code == 200
    for path in ("/health/ready", "/image"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    blocked.unlink()
    deadline = time.monotonic() + 10
    while client.get("/health/ready").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert client.get("/image").json() == []
