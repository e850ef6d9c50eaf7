"""Open WebUI's router for images, with its own database, files and HTTP client."""

import base64
import hashlib
from pathlib import Path

import pytest

from provider import Provider
from provider_answers import PNG
from stock_clients import MODEL, Front, StockClient, Target, with_each

pytestmark = pytest.mark.slow
IMAGE = {"bytes": len(PNG), "sha256": hashlib.sha256(PNG).hexdigest()}


def make_data_url(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


@with_each("open-webui")
def test_open_webui_gets_an_image_with_its_default_size_and_edits_one_picture(
    client: StockClient, target: Target, provider: Provider, prompt: str, pictures: list[Path]
) -> None:
    edited = {"prompt": f"{prompt} edited", "image": make_data_url(pictures[0])}
    calls = (
        ("generations", {"model": MODEL, "form": {"prompt": prompt}}),
        ("edit", {"model": MODEL, "form": edited}),
    )
    for report in client.finish(client.start(target, *calls)):
        assert report["images"] == [IMAGE]
    assert provider.purchases == [prompt, f"{prompt} edited"]
    assert len(provider.requests[1].files) == 1


@with_each("open-webui")
def test_open_webui_gets_two_images_and_edits_two_pictures_of_old_models_and_buys_once_what_fails(
    client: StockClient, front: Front, provider: Provider, prompt: str, pictures: list[Path]
) -> None:
    two = {"model": "dall-e-3", "size": "1024x1024", "form": {"prompt": prompt, "n": 2}}
    edit = {
        "model": "gpt-image-1",
        "size": "1024x1024",
        "api_version": "2025-04-01-preview",
        "form": {
            "prompt": f"{prompt} edited",
            "n": 1,
            "image": [make_data_url(path) for path in pictures[:2]],
        },
    }
    failing = {"model": MODEL, "form": {"prompt": f"{prompt} failed"}}
    provider.behave("png", "png", "png", "server_error")
    calls = (("generations", two), ("edit", edit), ("generations", failing))
    made, edited, failed = client.finish(client.start(front.target, *calls))
    assert made["images"] == [IMAGE] * 2
    assert edited["images"] == [IMAGE]
    *_, edit_request, failed_request = provider.requests
    sent = [part.sha256 for part in edit_request.files]
    assert sent == [hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures[:2]]
    assert failed["error"]["status"] == 400  # for every error of the API
    assert failed_request.body["prompt"] == f"{prompt} failed"
    assert provider.paid_requests == 4
