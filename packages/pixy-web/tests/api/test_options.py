"""The options of a new image, and what was bought. Cases C931 to C937."""

import hashlib
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from provider import Provider
from provider_answers import USAGE
from running_service import RunningService

KEY = {"Idempotency-Key": "a-key"}
DETAILS_ONLY = {"purchase", "sources"}


@pytest.fixture
def paid(provider: Provider, start_service: Callable[..., RunningService]) -> RunningService:
    """A service whose images come from the provider."""
    return start_service(
        generator="openai",
        openai_api_key="sk-of-the-test",
        openai_base_url=provider.base_url,
        openai_further_models="gpt-image-2, gpt-image-2.6-sunburst",
    )


def create(client: httpx2.Client, **members: object) -> dict[str, Any]:
    answer = client.post("/image", json={"prompt": "a fox", **members})
    assert answer.status_code == 201, answer.text
    details: dict[str, Any] = answer.json()
    return details


@pytest.mark.case("C931")
def test_options_reach_the_provider_as_requested(paid: RunningService, provider: Provider) -> None:
    options = {
        "model": "gpt-image-2",
        "output_format": "webp",
        "background": "transparent",
        "output_compression": 0,
        "moderation": "low",
    }
    client = paid.sign_in()
    assert create(client, **options)["model"] == "gpt-image-2"
    create(client, background="auto", moderation="auto")
    create(client, background=None, moderation=None, model=None)
    chosen, auto, absent = (request.body for request in provider.requests)
    assert {name: chosen.get(name) for name in options} == options
    left = {"model": "gpt-image-2.6-flare", "output_format": "png"}
    for body in (auto, absent):
        assert {name: body[name] for name in options if name in body} == left


@pytest.mark.case("C932")
@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"output_format": "gif"}, "output_format"),
        ({"background": "blue"}, "background"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"output_compression": 50}, "output_compression"),
        ({"output_compression": 50, "output_format": "png"}, "output_compression"),
        ({"output_compression": 101, "output_format": "jpeg"}, "output_compression"),
        ({"output_compression": "50", "output_format": "jpeg"}, "output_compression"),
        ({"moderation": "none"}, "moderation"),
        ({"model": 7}, "model"),
    ],
)
def test_an_option_that_breaks_a_rule_is_refused(
    service: RunningService, members: dict[str, object], where: str
) -> None:
    answer = service.sign_in().post("/image", json={"prompt": "a fox", **members})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert answer.json()["errors"][0]["location"] == ["body", where]


@pytest.mark.case("C933")
def test_a_model_that_the_server_does_not_have_is_refused(
    paid: RunningService, provider: Provider
) -> None:
    client = paid.sign_in()
    for members in (
        {"model": "dall-e-3"},
        {"model": "gpt-image-2", "quality": "max"},
    ):
        answer = client.post("/image", json={"prompt": "a fox", **members})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert provider.paid_requests == 0
    assert create(client, model="gpt-image-2.6-sunburst", quality="max")["model"].endswith("burst")


@pytest.mark.case("C934")
@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_the_sketch_draws_the_format_that_is_asked_for(
    service: RunningService, output_format: str
) -> None:
    client = service.sign_in()
    image = create(client, output_format=output_format)
    assert image["media_type"] == f"image/{output_format}"
    content = client.get(f"/image/{image['guid']}/content")
    assert content.headers["content-type"] == f"image/{output_format}"
    assert hashlib.sha256(content.content).hexdigest() == image["sha256"]


@pytest.mark.case("C935")
def test_a_key_belongs_to_the_options_too(paid: RunningService, provider: Provider) -> None:
    client = paid.sign_in()
    bodies = [
        {"prompt": "a fox", "output_format": "webp"},
        {"prompt": "a fox", "output_format": "webp", "background": None},
        {"prompt": "a fox", "output_format": "jpeg"},
    ]
    answers = [client.post("/image", json=body, headers=KEY) for body in bodies]
    assert [answer.status_code for answer in answers] == [201, 201, 422]
    assert answers[0].json() == answers[1].json()
    assert provider.paid_requests == 1


@pytest.mark.case("C936")
def test_the_owner_gets_what_was_bought_and_nobody_else(paid: RunningService) -> None:
    name = paid.add_user(class_key="red")
    client = paid.client(name)
    made = create(client, visibility="public", size="1536x1024", quality="high")
    path = f"/image/{made['guid']}"
    assert made["purchase"] == {
        "size": "1536x1024",
        "quality": "high",
        "reported": {
            "size": "64x48",
            "quality": "medium",
            "background": "opaque",
            "output_format": "png",
        },
        "usage": USAGE,
        "upstream_request_id": "req_stand_in",
    }
    # the second time, the password is remembered
    for _ in range(2):
        assert client.get(path).json() == made
    for other in (paid.sign_in("red"), paid.sign_in("blue"), paid.client()):
        for _ in range(2):
            assert other.get(path).json()["purchase"] is None
    changed = client.patch(path, json={"visibility": "class"}).json()
    assert changed["purchase"] == made["purchase"]
    for reader in (client, paid.client()):
        for listed in (reader.get("/image").json(), reader.get("/image?q=fox").json()):
            assert not [image for image in listed if DETAILS_ONLY & image.keys()]


@pytest.mark.case("C937")
@pytest.mark.parametrize("behaviour", ["usage_missing", "usage_null", "usage_text"])
def test_usage_that_the_provider_does_not_tell_is_null(
    paid: RunningService, provider: Provider, behaviour: str
) -> None:
    provider.behave(behaviour)
    purchase = create(paid.sign_in())["purchase"]
    assert (purchase["usage"], purchase["upstream_request_id"]) == (None, "req_stand_in")


@pytest.mark.case("C937")
def test_a_sketch_was_not_bought(service: RunningService) -> None:
    client = service.sign_in()
    made = create(client)
    assert made["purchase"] is None
    assert client.get(f"/image/{made['guid']}").json() == made
