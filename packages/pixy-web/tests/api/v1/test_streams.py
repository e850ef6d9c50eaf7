"""Streams of events: cases C997 to C999."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from provider import Provider
from provider_answers import PNG, USAGE
from provider_events import PARTIALS
from running_service import RunningService

PATH = "/v1/images/generations"
BODY = {"prompt": "a lighthouse", "stream": True}
PARTIAL, COMPLETED = "image_generation.partial_image", "image_generation.completed"


def read_events(answer: httpx2.Response) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Yield the name and data of each event; a comment is an event without a name."""
    name = None
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
            name = None
        elif line.startswith(":"):
            yield "comment", {"text": line}


@pytest.mark.case("C997")
def test_partial_images_come_before_the_image(client: httpx2.Client, provider: Provider) -> None:
    events = []
    with (
        provider.unfinished(1),
        client.stream("POST", PATH, json=BODY | {"partial_images": 2}) as answer,
    ):
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "private, no-store"
        for event in read_events(answer):
            events.append(event)
            provider.show(len(events) + 1)
            if len(events) == 2:
                provider.finish()
    assert [name for name, _ in events] == [PARTIAL, PARTIAL, COMPLETED]
    for index, (name, data) in enumerate(events[:2]):
        assert (data["type"], data["partial_image_index"]) == (name, index)
        assert base64.b64decode(data["b64_json"]) == PARTIALS[index]
    _, data = events[2]
    assert data["type"] == COMPLETED
    assert base64.b64decode(data["b64_json"]) == PNG
    assert data["usage"] == USAGE
    for member in ("created_at", "size", "quality", "background", "output_format"):
        assert all(member in data for _, data in events)
    assert answer.headers["location"] == f"/image/{data['guid']}"
    assert client.get(answer.headers["location"]).json()["status"] == "ready"
    assert provider.requests[0].body["partial_images"] == 2


def test_partial_images_that_come_at_once_are_all_sent(
    client: httpx2.Client, provider: Provider
) -> None:
    with client.stream("POST", PATH, json=BODY | {"partial_images": 3}) as answer:
        events = list(read_events(answer))
    assert [name for name, _ in events] == [PARTIAL, PARTIAL, PARTIAL, COMPLETED]
    assert [data["partial_image_index"] for _, data in events[:3]] == [0, 1, 2]


@pytest.mark.case("C997")
def test_without_partial_images_there_is_the_image_alone(
    client: httpx2.Client, provider: Provider
) -> None:
    with client.stream("POST", PATH, json=BODY) as answer:
        assert [name for name, _ in read_events(answer)] == [COMPLETED]
    assert not provider.requests[0].body.get("stream")


@pytest.mark.case("C998")
def test_a_silent_stream_has_comments(
    start_service: Callable[..., RunningService], provider: Provider
) -> None:
    service = start_service(
        generator="openai",
        openai_api_key="sk-a",
        openai_base_url=provider.base_url,
        stream_ping=0.05,
    )
    names = []
    with (
        provider.holding(),
        service.key_client().stream("POST", PATH, json=BODY) as answer,
    ):
        for name, data in read_events(answer):
            names.append(name)
            if name == "comment":
                assert data["text"] == ": ping"
            if len(names) == 3:
                provider.release()
    assert names[:3] == ["comment"] * 3
    assert names[-1] == COMPLETED


@pytest.mark.case("C998")
def test_an_error_in_a_stream_is_its_last_event(client: httpx2.Client, provider: Provider) -> None:
    provider.behave("reset")
    with client.stream("POST", PATH, json=BODY) as answer:
        ((name, data),) = read_events(answer)
    assert (answer.status_code, name) == (200, None)
    assert data["error"]["code"] == "outcome_unknown"
    assert data["error"]["request_id"] == answer.headers["x-request-id"]


@pytest.mark.case("C998")
def test_a_refusal_before_the_provider_is_asked_has_its_status(
    client: httpx2.Client, provider: Provider
) -> None:
    with provider.holding():
        with (
            client.stream("POST", PATH, json=BODY),
            client.stream("POST", PATH, json=BODY),
        ):
            provider.wait_for_requests(2)
            answer = client.post(PATH, json=BODY)
        provider.release()
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "generation_busy"


@pytest.mark.case("C999")
def test_an_image_goes_on_when_the_reader_of_its_stream_has_left(
    client: httpx2.Client, patient: RunningService, provider: Provider
) -> None:
    with provider.unfinished(1):
        with client.stream("POST", PATH, json=BODY | {"partial_images": 3}) as answer:
            name, _ = next(read_events(answer))
            assert name == PARTIAL
        # the reader has left
        path = answer.headers["location"]
    retry = {"x-stainless-retry-count": "1"}
    with client.stream("POST", PATH, json=BODY | {"partial_images": 3}, headers=retry) as again:
        events = list(read_events(again))
    assert events[-1][0] == COMPLETED
    assert f"/image/{events[-1][1]['guid']}" == path
    assert provider.paid_requests == 1
    # the delivery is noted before the request ends
    patient.log_lines()
    with client.stream("POST", PATH, json=BODY, headers=retry) as other:
        assert f"/image/{list(read_events(other))[-1][1]['guid']}" != path
