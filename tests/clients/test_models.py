"""The list of models, as clients read it before they offer a choice."""

import pytest

from stock_clients import MODEL, Front, StockClient, Target, with_each

pytestmark = pytest.mark.slow

SDKS = ("openai-python", "openai-node")
OLD_MODELS = {"dall-e-2", "dall-e-3", "gpt-image-1"}


@with_each(*SDKS)
def test_a_client_lists_models_and_retrieves_one(client: StockClient, target: Target) -> None:
    calls = (("models", {}), ("model", {"model": MODEL}), ("model", {"model": "no-such-model"}))
    listed, retrieved, unknown = client.finish(client.start(target, *calls))
    assert MODEL in {model["id"] for model in listed["models"]}
    for model in listed["models"]:
        assert model["object"] == "model"
        assert isinstance(model["created"], int)
        assert model["owned_by"]
    assert [model["id"] for model in retrieved["models"]] == [MODEL]
    error = unknown["error"]
    assert (error["class"], error["status"]) == ("NotFoundError", 404)
    assert error["code"] == "model_not_found"


@with_each(*SDKS)
def test_the_models_that_old_programs_name_are_listed(client: StockClient, front: Front) -> None:
    models = client.call(front.target, "models")["models"]
    assert {model["id"] for model in models} >= OLD_MODELS
