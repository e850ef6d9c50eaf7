"""Edits of stock clients: what they send, and that all of it reaches the provider."""

import hashlib
from pathlib import Path

import pytest

from provider import Provider
from provider_answers import PNG
from provider_requests import EDITS_PATH
from stock_clients import MODEL, Front, StockClient, Target, with_each

SHA256 = hashlib.sha256(PNG).hexdigest()
CLIENTS = ("openai-python", "openai-node", "ai-sdk")


def hash_files(*paths: Path) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


@with_each(*CLIENTS)
def test_a_client_edits_one_picture_and_several_with_a_mask(
    client: StockClient, target: Target, provider: Provider, prompt: str, pictures: list[Path]
) -> None:
    *images, mask = pictures
    one = {"parameters": {"prompt": prompt, "model": MODEL}, "images": [str(pictures[0])]}
    several = {
        "parameters": {"prompt": f"{prompt} masked", "model": MODEL, "quality": "low"},
        "images": [str(path) for path in images],
        "mask": str(mask),
    }
    reports = client.finish(client.start(target, ("edit", one), ("edit", several)))
    for report in reports:
        assert [image["sha256"] for image in report["images"]] == [SHA256]
    first, second = provider.requests
    assert (first.path, first.body["prompt"]) == (EDITS_PATH, prompt)
    assert [part.sha256 for part in first.files] == hash_files(pictures[0])
    sent = [part.sha256 for part in second.files if part.name != "mask"]
    assert sent == hash_files(*images), "in their order"
    assert [part.sha256 for part in second.files if part.name == "mask"] == hash_files(mask)
    assert second.body["quality"] == "low"


@pytest.mark.slow
@with_each("openai-python", "openai-node")
def test_an_edit_is_kept(
    client: StockClient, front: Front, prompt: str, pictures: list[Path]
) -> None:
    parameters = {"prompt": prompt, "model": MODEL}
    report = client.call(front.target, "edit", parameters=parameters, images=[str(pictures[0])])
    (guid,) = [image["guid"] for image in report["images"]]
    assert front.get(f"/image/{guid}").json()["prompt"] == prompt
    assert front.get(f"/image/{guid}/content").content == PNG


@pytest.mark.slow
@with_each("openai-python", "openai-node", "ai-sdk")
def test_a_file_that_is_no_picture_is_refused_before_anything_is_bought(
    client: StockClient, front: Front, provider: Provider, prompt: str, tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"this is no picture")
    parameters = {"prompt": prompt, "model": MODEL}
    report = client.call(front.target, "edit", parameters=parameters, images=[str(path)])
    assert (report["error"]["status"], report["error"]["param"]) == (400, "image")
    assert provider.paid_requests == 0
