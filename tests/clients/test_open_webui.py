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
def test_open_webui_gets_an_image_with_its_default_size(
    client: StockClient, target: Target, provider: Provider, prompt: str
) -> None:
    form = {"prompt": prompt}
    report = client.call(target, "generations", model=MODEL, form=form)
    assert report["images"] == [IMAGE]
    assert provider.purchases == [prompt]


@with_each("open-webui")
def test_open_webui_gets_two_images_of_an_old_model(
    client: StockClient, front: Front, prompt: str
) -> None:
    given = {"model": "dall-e-3", "size": "1024x1024", "form": {"prompt": prompt, "n": 2}}
    report = client.call(front.target, "generations", **given)
    assert report["images"] == [IMAGE] * 2


@with_each("open-webui")
def test_open_webui_edits_one_picture(
    client: StockClient,
    target: Target,
    provider: Provider,
    prompt: str,
    pictures: list[Path],
) -> None:
    form = {"prompt": prompt, "image": make_data_url(pictures[0])}
    report = client.call(target, "edit", model=MODEL, form=form)
    assert report["images"] == [IMAGE]
    assert len(provider.requests[0].files) == 1


@with_each("open-webui")
def test_open_webui_edits_two_pictures_with_a_version_of_the_api(
    client: StockClient,
    front: Front,
    provider: Provider,
    prompt: str,
    pictures: list[Path],
) -> None:
    given = {
        "model": "gpt-image-1",
        "size": "1024x1024",
        "api_version": "2025-04-01-preview",
        "form": {"prompt": prompt, "n": 1, "image": [make_data_url(path) for path in pictures[:2]]},
    }
    report = client.call(front.target, "edit", **given)
    assert report["images"] == [IMAGE]
    sent = [part.sha256 for part in provider.requests[0].files]
    assert sent == [hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures[:2]]


@with_each("open-webui")
def test_open_webui_buys_once_what_fails(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    provider.behave("server_error")
    given = {"model": MODEL, "form": {"prompt": prompt}}
    report = client.call(front.target, "generations", **given)
    assert report["error"]["status"] == 400  # for every error of the API
    assert provider.paid_requests == 1
