"""Partial images, streamed to the SDKs."""

import hashlib
from pathlib import Path
from typing import Any

from provider import Provider
from provider_answers import PNG, USAGE
from provider_events import PARTIALS
from stock_clients import MODEL, Front, StockClient, Target, with_each

SDKS = ("openai-python", "openai-node")
HASHES = [hashlib.sha256(content).hexdigest() for content in (*PARTIALS[:2], PNG)]


def check(events: list[dict[str, Any]], kind: str) -> None:
    *partials, completed = events
    assert {event["type"] for event in partials} == {f"{kind}.partial_image"}
    assert [event["partial_image_index"] for event in partials] == [0, 1]
    assert completed["type"] == f"{kind}.completed"
    assert completed["usage"] == USAGE
    assert [event["sha256"] for event in events] == HASHES


@with_each(*SDKS)
def test_a_client_gets_partial_images(
    client: StockClient, target: Target, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "partial_images": 2}
    check(client.call(target, "stream", parameters=parameters)["events"], "image_generation")
    assert provider.purchases == [prompt]


@with_each(*SDKS)
def test_a_client_gets_partial_images_of_an_edit(
    client: StockClient, target: Target, provider: Provider, prompt: str, pictures: list[Path]
) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "partial_images": 2}
    images = [str(pictures[0])]
    report = client.call(target, "stream_edit", parameters=parameters, images=images)
    check(report["events"], "image_edit")
    assert provider.purchases == [prompt]


@with_each(*SDKS)
def test_a_streamed_image_is_kept(client: StockClient, front: Front, prompt: str) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "partial_images": 1}
    events = client.call(front.target, "stream", parameters=parameters)["events"]
    assert front.get(f"/image/{events[-1]['guid']}/content").content == PNG


@with_each(*SDKS)
def test_a_client_gets_the_error_of_a_stream_and_buys_once(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    provider.behave("events_error")
    parameters = {"prompt": prompt, "model": MODEL, "partial_images": 2}
    error = client.call(front.target, "stream", parameters=parameters)["error"]
    assert error["code"] == "outcome_unknown"
    assert provider.paid_requests == 1
