"""Images that stock clients ask for: the same calls to the provider itself, and to PixyProxy."""

import hashlib
from typing import Any

import pytest

from provider import Provider
from provider_answers import PNG, USAGE
from stock_clients import MODEL, Front, StockClient, Target, with_each

SHA256 = hashlib.sha256(PNG).hexdigest()
SDKS = ("openai-python", "openai-node")


def hashes(report: dict[str, Any]) -> list[str]:
    return [image["sha256"] for image in report["images"]]


@with_each(*SDKS, "ai-sdk")
def test_a_client_gets_an_image(
    client: StockClient, target: Target, provider: Provider, prompt: str
) -> None:
    report = client.call(target, "generate", parameters={"prompt": prompt, "model": MODEL})
    assert hashes(report) == [SHA256]
    assert report["request_id"]
    assert (provider.paid_requests, provider.purchases) == (1, [prompt])


@with_each(*SDKS)
def test_a_client_gets_what_the_answer_says_of_the_image(
    client: StockClient, target: Target, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "size": "1024x1024", "quality": "medium"}
    report = client.call(target, "generate", parameters=parameters)
    assert report["members"] == {"output_format": "png", "quality": "medium", "size": "64x48"}
    assert report["usage"] == USAGE


@with_each("ai-sdk")
def test_the_ai_sdk_gets_the_usage(client: StockClient, target: Target, prompt: str) -> None:
    report = client.call(target, "generate", parameters={"prompt": prompt, "model": MODEL})
    assert report["usage"] == {"inputTokens": 12, "outputTokens": 196, "totalTokens": 208}


@with_each(*SDKS, "ai-sdk")
def test_a_client_gets_two_images(client: StockClient, target: Target, prompt: str) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "n": 2}
    assert hashes(client.call(target, "generate", parameters=parameters)) == [SHA256] * 2


@with_each("ai-sdk")
def test_equal_requests_that_a_client_sends_at_once_are_two_images(
    client: StockClient, target: Target, provider: Provider, prompt: str
) -> None:
    # the AI SDK asks for one image at a time of a model that it doesn't know, or of dall-e-3
    parameters = {"prompt": prompt, "model": "dall-e-3", "n": 2}
    assert hashes(client.call(target, "generate", parameters=parameters)) == [SHA256] * 2
    assert provider.purchases == [prompt] * 2


@with_each("langchain-node")
def test_langchain_gets_an_image_as_base64(
    client: StockClient, target: Target, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "dallEResponseFormat": "b64_json"}
    assert hashes(client.call(target, "generate", parameters=parameters)) == [SHA256]
    assert provider.purchases == [prompt]


@with_each("langchain-node")
def test_langchain_gets_two_images_by_two_equal_requests(
    client: StockClient, target: Target, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "n": 2, "dallEResponseFormat": "b64_json"}
    assert hashes(client.call(target, "generate", parameters=parameters)) == [SHA256] * 2
    assert provider.purchases == [prompt] * 2


@with_each("langchain-python", "langchain-node")
def test_langchain_reads_the_link_of_a_provider_that_sends_one(
    client: StockClient, provider: Provider, prompt: str
) -> None:
    provider.behave("no_b64")
    target = Target(provider.base_url, "sk-of-the-test")
    report = client.call(target, "generate", parameters={"prompt": prompt})
    assert report["images"] == [{"url": "http://127.0.0.1:1/image.png"}]


@with_each("langchain-python", "langchain-node")
def test_langchain_gets_a_link_to_the_image_with_all_its_defaults(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    report = client.call(front.target, "generate", parameters={"prompt": prompt})
    (image,) = report["images"]
    assert image["url"].startswith(front.pixy.url)
    assert front.get(image["url"]).content == PNG
    assert provider.purchases == [prompt]


@with_each(*SDKS)
def test_an_image_that_a_client_made_is_kept(
    client: StockClient, front: Front, prompt: str
) -> None:
    report = client.call(front.target, "generate", parameters={"prompt": prompt, "model": MODEL})
    (guid,) = [image["guid"] for image in report["images"]]
    assert front.get(f"/image/{guid}").json()["prompt"] == prompt
    assert front.get(f"/image/{guid}/content").content == PNG


@with_each(*SDKS)
def test_each_of_two_images_is_kept(client: StockClient, front: Front, prompt: str) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "n": 2}
    report = client.call(front.target, "generate", parameters=parameters)
    guids = {image["guid"] for image in report["images"]}
    assert len(guids) == 2
    assert {front.get(f"/image/{guid}").status_code for guid in guids} == {200}


@with_each(*SDKS)
@pytest.mark.parametrize(
    "old",
    [
        {"model": "dall-e-3", "quality": "hd", "style": "vivid", "response_format": "b64_json"},
        pytest.param(
            {"model": "dall-e-2", "size": "512x512", "response_format": "b64_json", "user": "ann"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"model": "gpt-image-1", "quality": "standard", "moderation": "low"},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda old: str(old["model"]),
)
def test_a_program_written_for_an_old_model_gets_an_image(
    client: StockClient, front: Front, prompt: str, old: dict[str, str]
) -> None:
    report = client.call(front.target, "generate", parameters={"prompt": prompt, **old})
    assert hashes(report) == [SHA256]
