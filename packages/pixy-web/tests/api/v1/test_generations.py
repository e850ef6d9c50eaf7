"""Images as the clients of the OpenAI API ask for them: cases C980 to C986, and C991."""

import base64
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from provider import Provider
from provider_answers import PNG, USAGE
from running_service import RunningService

PATH = "/v1/images/generations"


def generate(client: httpx2.Client, **members: Any) -> httpx2.Response:
    return client.post(PATH, json={"prompt": "a lighthouse"} | members)


def read_param(answer: httpx2.Response) -> tuple[int, str | None, str | None]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


@pytest.mark.case("C980")
def test_an_image_comes_in_base64_and_is_kept(
    client: httpx2.Client, patient: RunningService, provider: Provider
) -> None:
    answer = client.post(f"{PATH}?api-version=2026-04-01", json={"prompt": "a lighthouse"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    (item,) = body["data"]
    assert base64.b64decode(item["b64_json"], validate=True) == PNG
    assert answer.headers["location"] == f"/image/{item['guid']}"
    details = client.get(answer.headers["location"]).json()
    assert (details["prompt"], details["visibility"]) == ("a lighthouse", "private")
    assert body["size"] == f"{details['width']}x{details['height']}"
    assert body["output_format"] == "png"
    assert isinstance(body["created"], int)
    assert "error" not in body
    assert answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "private, no-store"
    assert client.get(f"/image/{item['guid']}/content").content == PNG


def test_a_proxy_passes_on_each_part_of_an_answer_at_once(client: httpx2.Client) -> None:
    # nginx would take the whole answer from the server, also for a client that is leaving
    assert client.post(PATH, json={"prompt": "x"}).headers["x-accel-buffering"] == "no"


@pytest.mark.case("C980")
def test_usage_is_passed_through(client: httpx2.Client, provider: Provider) -> None:
    assert generate(client).json()["usage"] == USAGE
    both = generate(client, n=2).json()["usage"]
    assert both["total_tokens"] == 2 * USAGE["total_tokens"]  # type: ignore[operator]
    assert both["input_tokens_details"] == {"text_tokens": 24, "image_tokens": 0}
    provider.behave("usage_null")
    assert "usage" not in generate(client).json()


@pytest.mark.case("C981")
def test_several_images_are_as_many_creations(
    start_service: Callable[..., RunningService], provider: Provider
) -> None:
    client = start_service(
        generator="openai", openai_api_key="sk-a", openai_base_url=provider.base_url
    ).key_client()
    answer = generate(client, n=10)
    assert answer.status_code == 200
    guids = [item["guid"] for item in answer.json()["data"]]
    assert len(set(guids)) == 10
    assert provider.paid_requests == 10
    assert all(item["b64_json"] for item in answer.json()["data"])
    assert {image["guid"] for image in client.get("/image").json()} == set(guids)


@pytest.mark.case("C982")
def test_what_was_made_is_listed_although_others_failed(
    client: httpx2.Client, provider: Provider
) -> None:
    # two may be made at once
    answer = generate(client, n=5)
    assert answer.status_code == 200
    body = answer.json()
    assert len(body["data"]) == 2
    assert (body["error"]["failed"], body["error"]["code"]) == (3, "generation_busy")
    assert body["error"]["message"].startswith("3 of 5 images could not be made")
    assert provider.paid_requests == 2


@pytest.mark.case("C982")
def test_the_failure_that_may_have_been_paid_for_is_told(
    client: httpx2.Client, provider: Provider
) -> None:
    provider.behave("reset")
    answer = generate(client, n=5)
    assert read_param(answer) == (424, "outcome_unknown", None)
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.case("C983")
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"size": "256x256"}, {"size": "1024x1024"}),
        ({"size": "512x512"}, {"size": "1024x1024"}),
        ({"size": "1792x1024"}, {"size": "1792x1024"}),
        ({"quality": "standard"}, {"quality": "medium"}),
        ({"quality": "hd"}, {"quality": "high"}),
        ({"quality": "low", "size": "auto"}, {"quality": "low"}),
        ({"background": "opaque", "moderation": "low"}, {"background": "opaque"}),
        (
            {"output_format": "webp", "output_compression": 50},
            {"output_format": "webp", "output_compression": 50},
        ),
    ],
)
def test_members_reach_the_provider(
    client: httpx2.Client, provider: Provider, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert generate(client, **given).status_code == 200
    body = provider.requests[-1].body
    assert {name: body.get(name) for name in sent} == sent


@pytest.mark.case("C983")
def test_a_visibility_is_ours(client: httpx2.Client) -> None:
    guid = generate(client, visibility="class").json()["data"][0]["guid"]
    assert client.get(f"/image/{guid}").json()["visibility"] == "class"


@pytest.mark.case("C984")
def test_members_of_old_models_are_dropped(client: httpx2.Client, provider: Provider) -> None:
    dropped = {
        "style": "vivid",
        "seed": 1,
        "input_fidelity": "high",
        "user": "ada",
        "safety_identifier": "a",
        "n": None,
        "size": None,
        "stream": False,
    }
    assert generate(client, **dropped).status_code == 200
    assert not {"style", "seed", "input_fidelity", "user"} & set(provider.requests[-1].body)
    assert provider.requests[-1].body["safety_identifier"] != "a"


@pytest.mark.case("C984")
def test_an_unknown_member_is_named_unless_the_server_is_lenient(
    client: httpx2.Client, start_service: Callable[..., RunningService], provider: Provider
) -> None:
    assert read_param(generate(client, steps=20)) == (400, "unknown_parameter", "steps")
    assert provider.paid_requests == 0
    lenient = start_service(ignore_unknown_parameters=True)
    assert generate(lenient.key_client(), steps=20).status_code == 200


@pytest.mark.case("C985")
@pytest.mark.parametrize(
    ("given", "member"),
    [
        ({}, "b64_json"),
        ({"model": "gpt-image-1"}, "b64_json"),
        ({"model": "dall-e-3"}, "url"),
        ({"model": "dall-e-3", "response_format": "b64_json"}, "b64_json"),
        ({"response_format": "url"}, "url"),
    ],
)
def test_either_the_image_or_its_url_is_there(
    client: httpx2.Client, given: dict[str, Any], member: str
) -> None:
    (item,) = generate(client, **given).json()["data"]
    assert set(item) == {member, "guid"}
    if member == "url":
        assert item["url"] == str(client.base_url.join(f"/image/{item['guid']}/content"))
        assert client.get(item["url"]).content == PNG


@pytest.mark.case("C986")
@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"size": "16x16"}, "size"),
        ({"size": 5}, "size"),
        ({"quality": "best"}, "quality"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_format": "svg"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"moderation": "none"}, "moderation"),
        ({"visibility": "secret"}, "visibility"),
        ({"stream": "yes"}, "stream"),
        ({"partial_images": 4}, "partial_images"),
        ({"response_format": "file"}, "response_format"),
        ({"model": 5}, "model"),
        ({"stream": True, "n": 2}, "n"),
    ],
)
def test_an_invalid_member_is_named(
    client: httpx2.Client, provider: Provider, given: dict[str, Any], param: str
) -> None:
    answer = generate(client, **given)
    assert read_param(answer) == (400, None, param)
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith(f"`{param}` ")
    assert provider.paid_requests == 0


@pytest.mark.case("C991")
def test_an_idempotency_key_works_as_on_the_native_api(
    client: httpx2.Client, provider: Provider
) -> None:
    key = {"Idempotency-Key": "key"}
    body = {"prompt": "a lighthouse"}
    first = client.post(PATH, json=body, headers=key)
    again = client.post(PATH, json=body, headers=key)
    assert first.json()["data"] == again.json()["data"]
    native = client.post("/image", json=body, headers=key)
    assert native.headers["location"] == first.headers["location"]
    other = client.post(PATH, json={"prompt": "a fox"}, headers=key)
    assert read_param(other) == (400, "idempotency_key_reused", None)
    assert provider.paid_requests == 1


@pytest.mark.case("C991")
def test_each_image_of_a_request_with_a_key_is_made_once(
    client: httpx2.Client, provider: Provider
) -> None:
    key = {"Idempotency-Key": "key"}
    body = {"prompt": "a lighthouse", "n": 2}
    answers = [client.post(PATH, json=body, headers=key).json() for _ in range(2)]
    guids = [[item["guid"] for item in answer["data"]] for answer in answers]
    assert guids[0] == guids[1]
    assert len(set(guids[0])) == 2
    assert provider.paid_requests == 2


@pytest.mark.case("C991")
def test_long_keys_that_differ_at_their_end_are_different_keys(
    client: httpx2.Client, provider: Provider
) -> None:
    body = {"prompt": "a lighthouse", "n": 2}
    for end in "AB":
        answer = client.post(PATH, json=body, headers={"Idempotency-Key": "k" * 254 + end})
        assert answer.status_code == 200
    assert provider.paid_requests == 4
    answer = client.post(PATH, json=body, headers={"Idempotency-Key": "k" * 256})
    assert answer.status_code == 400
    assert provider.paid_requests == 4


@pytest.mark.case("C991")
def test_a_key_belongs_to_the_number_of_images(client: httpx2.Client, provider: Provider) -> None:
    key = {"Idempotency-Key": "key"}
    assert client.post(PATH, json={"prompt": "x", "n": 2}, headers=key).status_code == 200
    for number in (1, 3):
        answer = client.post(PATH, json={"prompt": "x", "n": number}, headers=key)
        assert read_param(answer) == (400, "idempotency_key_reused", None)
    assert provider.paid_requests == 2


def test_a_name_that_is_not_unicode_is_an_unknown_member(client: httpx2.Client) -> None:
    body = b'{"prompt": "x", "\\ud800": 1}'
    answer = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert read_param(answer)[:2] == (400, "unknown_parameter")
