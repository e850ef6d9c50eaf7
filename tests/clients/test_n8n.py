"""n8n's node "OpenAI", resource "Image": its own operations and HTTP client.

The older node of n8n-nodes-base is a declaration that only n8n's engine can run, so its request is
sent as that declaration says. It lists the models whose names begin with `dall-`, the newer one
those that contain `dall-e` or `gpt-image`.
"""

import hashlib
from pathlib import Path

import pytest

from provider import Provider
from provider_answers import PNG
from stock_clients import MODEL, Front, StockClient, Target, with_each

pytestmark = pytest.mark.slow
IMAGE = {"bytes": len(PNG), "sha256": hashlib.sha256(PNG).hexdigest()}


@with_each("n8n")
def test_the_node_gets_an_image(
    client: StockClient, target: Target, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "modelId": MODEL, "options": {"size": "1024x1024"}}
    report = client.call(target, "generate", version=2.3, parameters=parameters)
    assert report["images"] == [IMAGE]
    assert provider.purchases == [prompt]


@with_each("n8n")
def test_the_node_gets_an_image_of_an_old_model(
    client: StockClient, target: Target, prompt: str
) -> None:
    options = {"dalleQuality": "hd", "style": "vivid", "size": "1792x1024"}
    parameters = {"prompt": prompt, "model": "dall-e-3", "options": options}
    report = client.call(target, "generate", version=2, parameters=parameters)
    assert report["images"] == [IMAGE]


@with_each("n8n")
def test_the_node_gets_a_link(client: StockClient, front: Front, prompt: str) -> None:
    options = {"returnImageUrls": True}
    parameters = {"prompt": prompt, "model": "dall-e-3", "options": options}
    report = client.call(front.target, "generate", version=2, parameters=parameters)
    (image,) = report["images"]
    assert front.get(image["url"]).content == PNG


@with_each("n8n")
def test_the_node_edits_pictures_with_a_mask(
    client: StockClient, target: Target, provider: Provider, prompt: str, pictures: list[Path]
) -> None:
    first, second, *_, mask = pictures
    parameters = {
        "prompt": prompt,
        "modelId": MODEL,
        "images": {"values": [{"binaryPropertyName": "data"}, {"binaryPropertyName": "other"}]},
        "options": {"imageMask": "mask", "inputFidelity": "high", "background": "opaque"},
    }
    files = {"data": str(first), "other": str(second), "mask": str(mask)}
    report = client.call(target, "edit", version=2.3, parameters=parameters, files=files)
    assert report["images"] == [IMAGE]
    (request,) = provider.requests
    sent = [part.sha256 for part in request.files if part.name != "mask"]
    assert sent == [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]


@with_each("n8n")
def test_the_node_gets_a_link_to_an_edit(
    client: StockClient, front: Front, prompt: str, pictures: list[Path]
) -> None:
    parameters = {"prompt": prompt, "model": "dall-e-2", "binaryPropertyName": "data"}
    files = {"data": str(pictures[0])}
    report = client.call(front.target, "edit", version=2.2, parameters=parameters, files=files)
    (image,) = report["images"]
    assert front.get(image["url"]).content == PNG


@pytest.mark.parametrize("behaviour", ["server_error", "reset"])
@with_each("n8n")
def test_the_node_is_told_of_an_unknown_outcome(
    client: StockClient, front: Front, provider: Provider, prompt: str, behaviour: str
) -> None:
    provider.behave(behaviour)
    parameters = {"prompt": prompt, "modelId": MODEL}
    error = client.call(front.target, "generate", version=2.3, parameters=parameters)["error"]
    assert (error["status"], error["code"]) == (424, "outcome_unknown")
    assert provider.paid_requests == 1


@pytest.mark.parametrize("response_format", ["b64_json", "url"])
def test_the_request_of_the_older_node(front: Front, prompt: str, response_format: str) -> None:
    body = {
        "model": "dall-e-2",
        "prompt": prompt,
        "response_format": response_format,
        "n": 1,
        "size": "256x256",
    }
    response = front.http.post("/v1/images/generations", json=body)
    assert response.status_code == 200
    (image,) = response.json()["data"]
    assert response_format in image
    assert (response_format == "url") == ("b64_json" not in image)
