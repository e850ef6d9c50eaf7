"""The models that clients may name: case C987."""

from collections.abc import Callable

import httpx2
import pytest

from pixy_web.settings import OLD_MODELS
from provider import Provider
from running_service import RunningService

OWN = "gpt-image-2.6-flare"


@pytest.mark.case("C987")
def test_the_server_s_model_and_the_old_names_are_listed(client: httpx2.Client) -> None:
    answer = client.get("/v1/models").json()
    assert answer["object"] == "list"
    assert [model["id"] for model in answer["data"]] == [OWN, *OLD_MODELS]
    for model in answer["data"]:
        assert model["object"] == "model"
        assert isinstance(model["created"], int)
        assert client.get(f"/v1/models/{model['id']}").json() == model


@pytest.mark.case("C987")
def test_an_unknown_model_is_refused(client: httpx2.Client, provider: Provider) -> None:
    for answer in (
        client.get("/v1/models/gpt-5"),
        client.post("/v1/images/generations", json={"prompt": "a fox", "model": "gpt-5"}),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "model_not_found")
        assert error["param"] == "model"
    assert provider.paid_requests == 0


@pytest.mark.case("C987")
@pytest.mark.parametrize("name", [OWN, "dall-e-3", "gpt-image-1", "", None])
def test_every_name_asks_for_the_server_s_own(
    client: httpx2.Client, provider: Provider, name: str | None
) -> None:
    client.post("/v1/images/generations", json={"prompt": "a fox", "model": name})
    assert provider.requests[-1].body["model"] == OWN


@pytest.mark.case("C987")
def test_aliases_are_a_setting(start_service: Callable[..., RunningService]) -> None:
    service = start_service(model_aliases=("mine", "yours=sketch-1", "lost=gone"))
    client = service.key_client()
    names = [model["id"] for model in client.get("/v1/models").json()["data"]]
    assert names[1:] == ["mine", "yours", "lost"]
    for name in ("mine", names[0]):
        answer = client.post("/v1/images/generations", json={"prompt": "a fox", "model": name})
        assert answer.status_code == 200
    lost = client.post("/v1/images/generations", json={"prompt": "a fox", "model": "lost"})
    assert (lost.status_code, lost.json()["error"]["param"]) == (400, "model")
