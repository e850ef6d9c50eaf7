"""Live and ready: cases C801, C802, C854 and C937."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from provider import Provider
from provider_answers import Answer
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
def test_without_a_database_it_is_live_and_not_ready_until_it_is_back(
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


@pytest.mark.case("C938")
def test_a_model_that_will_be_shut_down_is_warned_of_while_all_is_well(
    start_service: Callable[..., RunningService], provider: Provider
) -> None:
    soon = datetime.now(UTC).date() + timedelta(days=30)
    models = [
        {"id": "gpt-image-2", "shutdown_date": soon.isoformat()},
        {"id": "gpt-image-2.6-flare"},
    ]
    provider.models = Answer(200, {"object": "list", "data": models})
    service = start_service(
        generator="openai",
        openai_api_key="sk-of-the-test",
        openai_base_url=provider.base_url,
        openai_model="gpt-image-2",
    )
    client, deadline = service.client(), time.monotonic() + 30
    while "warnings" not in (answer := client.get("/health/ready")).json():
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
        assert time.monotonic() < deadline
        time.sleep(0.02)
    warning = (
        f"The model gpt-image-2 will be shut down on {soon}: "
        "set PIXY_OPENAI_MODEL=gpt-image-2.6-flare"
    )
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "warnings": [warning]}
    head = client.head("/health/ready")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(answer.content)))
    assert any(line.endswith(warning) for line in service.log_lines())


@pytest.mark.case("C938")
def test_a_provider_that_is_away_takes_no_readiness(
    start_service: Callable[..., RunningService], provider: Provider
) -> None:
    provider.list_models("failing")
    service = start_service(
        generator="openai", openai_api_key="sk-of-the-test", openai_base_url=provider.base_url
    )
    answer = service.client().get("/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})
