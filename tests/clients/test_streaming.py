"""Partial images, streamed to the SDKs."""

import hashlib
from pathlib import Path
from typing import Any
from uuid import uuid4

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
def test_a_client_gets_partial_images_and_one_that_is_kept(
    client: StockClient,
    target: Target,
    front: Front,
    provider: Provider,
    pictures: list[Path],
) -> None:
    prompts = [str(uuid4()) for _ in range(2)]
    made, edited = [
        {"parameters": {"prompt": prompt, "model": MODEL, "partial_images": 2}}
        for prompt in prompts
    ]
    edited["images"] = [str(pictures[0])]
    calls = (("stream", made), ("stream_edit", edited))
    reports = client.finish(client.start(target, *calls))
    for report, kind in zip(reports, ("image_generation", "image_edit"), strict=True):
        check(report["events"], kind)
        if target == front.target:
            guid = report["events"][-1]["guid"]
            assert front.get(f"/image/{guid}/content").content == PNG
    assert provider.purchases == prompts


@with_each(*SDKS)
def test_a_client_gets_the_error_of_a_stream_and_buys_once(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    provider.behave("events_error")
    parameters = {"prompt": prompt, "model": MODEL, "partial_images": 2}
    error = client.call(front.target, "stream", parameters=parameters)["error"]
    assert error["code"] == "outcome_unknown"
    assert provider.paid_requests == 1
