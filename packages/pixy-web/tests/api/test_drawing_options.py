"""Size and quality of an image: cases C280 to C284."""

from collections.abc import Callable, Iterator

import httpx2
import pytest

from provider import Provider
from running_service import RunningService


@pytest.fixture
def provider() -> Iterator[Provider]:
    """The stand-in for the OpenAI API."""
    with Provider() as running:
        yield running


@pytest.fixture
def start_paid(
    provider: Provider, start_service: Callable[..., RunningService]
) -> Callable[[str], httpx2.Client]:
    """Return a function that starts a service with a model, and returns a user's client."""

    def start(model: str) -> httpx2.Client:
        service = start_service(
            generator="openai",
            openai_api_key="sk-of-the-test",
            openai_base_url=provider.base_url,
            openai_model=model,
        )
        return service.sign_in()

    return start


@pytest.mark.case("C280")
@pytest.mark.parametrize("size", ["1536x1024", "1024x1536", "1024x640", "1408x480"])
def test_an_image_has_the_size_that_was_asked_for(service: RunningService, size: str) -> None:
    client = service.sign_in()
    answer = client.post("/image", json={"prompt": "a fox", "size": size, "quality": "high"})
    assert answer.status_code == 201
    image = client.get(answer.headers["location"]).json()
    assert f"{image['width']}x{image['height']}" == size
    assert image["size"] == len(client.get(f"{answer.headers['location']}/content").content)


@pytest.mark.case("C281")
def test_another_size_is_refused(service: RunningService) -> None:
    client = service.sign_in()
    for size in (
        *("", "AUTO", "large", "1024", "1024X1024", " 16x16", "16x16\n", "0x16", "016x16", "१६x१६"),
        *("1000x1024", "8x16", "1024x3088", "1536x496", "3856x2160", "99999x99999"),
        *("16x16", "512x512", "1008x640", "2896x2880", "3840x2176"),
        *(None, 1024, ["auto"], {}, True, "1" * 5000 + "x16"),
    ):
        answer = client.post("/image", json={"prompt": "a fox", "size": size})
        assert answer.status_code == 422, size
        assert answer.json()["errors"][0]["location"] == ["body", "size"]
    assert client.get("/image", params={"mine": "true"}).json() == []


@pytest.mark.case("C282")
def test_the_provider_gets_the_requested_size_and_quality(
    start_paid: Callable[[str], httpx2.Client], provider: Provider
) -> None:
    client = start_paid("gpt-image-2.6-flare")
    for wanted in (
        {},
        {"size": "auto", "quality": "auto"},
        *({"quality": quality} for quality in ("low", "medium", "high", "xhigh", "max")),
        {"size": "1536x864"},
        {"size": "2160x3840", "quality": "low"},
        {"size": "2880x2880"},
    ):
        assert client.post("/image", json={"prompt": "a fox", **wanted}).status_code == 201
        sent = provider.requests[-1].body
        expected = {name: value for name, value in wanted.items() if value != "auto"}
        assert {name: sent[name] for name in ("size", "quality") if name in sent} == expected


@pytest.mark.case("C283")
def test_another_quality_is_refused(service: RunningService) -> None:
    client = service.sign_in()
    for quality in ("", "High", "hd", "standard", "best", None, 1, ["high"], True):
        answer = client.post("/image", json={"prompt": "a fox", "quality": quality})
        assert answer.status_code == 422, quality
        assert answer.json()["errors"][0]["location"] == ["body", "quality"]


@pytest.mark.case("C284")
def test_what_the_model_does_not_support_is_refused_before_the_provider_is_asked(
    start_paid: Callable[[str], httpx2.Client], provider: Provider
) -> None:
    client = start_paid("gpt-image-1.5")
    for wanted, refused in (
        ({"size": "1536x864"}, [["body", "size"]]),
        ({"quality": "max"}, [["body", "quality"]]),
        ({"size": "1536x864", "quality": "xhigh"}, [["body", "size"], ["body", "quality"]]),
    ):
        answer = client.post("/image", json={"prompt": "a fox", **wanted})
        assert answer.status_code == 422
        assert [error["location"] for error in answer.json()["errors"]] == refused
    assert provider.paid_requests == 0
    known = {"prompt": "a fox", "size": "1536x1024", "quality": "high"}
    assert client.post("/image", json=known).status_code == 201
