"""Images that stock clients ask for: the same calls to the provider itself, and to PixyProxy."""

import hashlib
from typing import Any

from provider import Provider
from provider_answers import PNG, USAGE
from stock_clients import MODEL, Front, StockClient, Target, with_each

SHA256 = hashlib.sha256(PNG).hexdigest()
SDKS = ("openai-python", "openai-node")


def hashes(report: dict[str, Any]) -> list[str]:
    return [image["sha256"] for image in report["images"]]


def check_kept(front: Front, report: dict[str, Any], prompt: str) -> None:
    guids = {image["guid"] for image in report["images"]}
    assert len(guids) == len(report["images"])
    for guid in guids:
        assert front.get(f"/image/{guid}").json()["prompt"] == prompt
        assert front.get(f"/image/{guid}/content").content == PNG


@with_each(*SDKS)
def test_a_client_gets_images_that_are_kept_and_what_the_answer_says_of_them(
    client: StockClient, target: Target, front: Front, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "size": "1024x1024", "quality": "medium"}
    two = {"prompt": f"{prompt} twice", "model": MODEL, "n": 2}
    calls = [("generate", {"parameters": each}) for each in (parameters, two)]
    one_image, two_images = client.finish(client.start(target, *calls))
    assert hashes(one_image) == [SHA256]
    assert one_image["request_id"]
    assert one_image["members"] == {"output_format": "png", "quality": "medium", "size": "64x48"}
    assert one_image["usage"] == USAGE
    assert hashes(two_images) == [SHA256] * 2
    assert set(provider.purchases) == {prompt, f"{prompt} twice"}
    if target == front.target:
        check_kept(front, one_image, prompt)
        check_kept(front, two_images, f"{prompt} twice")
        assert provider.paid_requests == 3


@with_each("ai-sdk")
def test_the_ai_sdk_gets_images_and_the_usage(
    client: StockClient, target: Target, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL}
    two = {"prompt": f"{prompt} twice", "model": MODEL, "n": 2}
    # it asks for one image at a time of a model that it doesn't know, or of dall-e-3
    equal = {"prompt": f"{prompt} equal", "model": "dall-e-3", "n": 2}
    calls = [("generate", {"parameters": each}) for each in (parameters, two, equal)]
    one_image, *several = client.finish(client.start(target, *calls))
    assert hashes(one_image) == [SHA256]
    assert one_image["request_id"]
    assert one_image["usage"] == {"inputTokens": 12, "outputTokens": 196, "totalTokens": 208}
    assert [hashes(report) for report in several] == [[SHA256] * 2] * 2
    assert provider.purchases.count(prompt) == 1
    assert provider.purchases[-2:] == [f"{prompt} equal"] * 2


@with_each("langchain-node")
def test_langchain_gets_an_image_as_base64_and_two_by_two_equal_requests(
    client: StockClient, target: Target, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL, "dallEResponseFormat": "b64_json"}
    two = parameters | {"prompt": f"{prompt} twice", "n": 2}
    calls = [("generate", {"parameters": each}) for each in (parameters, two)]
    one_image, two_images = client.finish(client.start(target, *calls))
    assert (hashes(one_image), hashes(two_images)) == ([SHA256], [SHA256] * 2)
    assert provider.purchases == [prompt, f"{prompt} twice", f"{prompt} twice"]


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


OLD_MODELS = (
    {"model": "dall-e-3", "quality": "hd", "style": "vivid", "response_format": "b64_json"},
    {"model": "dall-e-2", "size": "512x512", "response_format": "b64_json", "user": "ann"},
    {"model": "gpt-image-1", "quality": "standard", "moderation": "low"},
)


@with_each(*SDKS)
def test_a_program_written_for_an_old_model_gets_an_image(
    client: StockClient, front: Front, prompt: str
) -> None:
    calls = [
        ("generate", {"parameters": {"prompt": f"{prompt} {old['model']}", **old}})
        for old in OLD_MODELS
    ]
    reports = client.finish(client.start(front.target, *calls))
    assert [hashes(report) for report in reports] == [[SHA256]] * len(OLD_MODELS)
