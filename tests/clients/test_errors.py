"""What stock clients make of PixyProxy's errors, and that none of these costs anything."""

from provider import Provider
from stock_clients import MODEL, Front, StockClient, with_each

SDKS = ("openai-python", "openai-node")
ALL = (*SDKS, "ai-sdk", "langchain-python", "langchain-node")
CLASSES = {400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError"}
"""What the SDKs, which LangChain uses, call these statuses."""


@with_each(*ALL)
def test_a_wrong_key(client: StockClient, front: Front, provider: Provider, prompt: str) -> None:
    parameters = {"prompt": prompt, "model": MODEL}
    key = f"pixy_{'x' * 10}_{'x' * 43}"
    error = client.call(front.target, "generate", api_key=key, parameters=parameters)["error"]
    assert (error["status"], error["code"]) == (401, "invalid_api_key")
    assert error["class"] in (CLASSES[401], "AI_APICallError")
    assert provider.paid_requests == 0


@with_each(*ALL)
def test_an_unknown_model(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": "no-such-model"}
    error = client.call(front.target, "generate", parameters=parameters)["error"]
    assert (error["status"], error["code"]) == (404, "model_not_found")
    assert error["class"] in (CLASSES[404], "AI_APICallError")
    assert provider.paid_requests == 0


@with_each("openai-python")
def test_an_unknown_parameter_of_openai_python(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    given = {"prompt": prompt, "model": MODEL, "extra_body": {"frobnicate": 1}}
    error = client.call(front.target, "generate", parameters=given)["error"]
    assert (error["status"], error["code"]) == (400, "unknown_parameter")
    assert (error["class"], error["param"]) == (CLASSES[400], "frobnicate")
    assert provider.paid_requests == 0


@with_each("openai-node")
def test_an_unknown_parameter_of_openai_node(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    given = {"prompt": prompt, "model": MODEL, "frobnicate": 1}
    error = client.call(front.target, "generate", parameters=given)["error"]
    assert (error["status"], error["code"]) == (400, "unknown_parameter")
    assert (error["class"], error["param"]) == (CLASSES[400], "frobnicate")
    assert provider.paid_requests == 0


@with_each(*SDKS)
def test_an_invalid_value(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    given = {"prompt": prompt, "model": MODEL, "output_format": "gif"}
    error = client.call(front.target, "generate", parameters=given)["error"]
    assert (error["status"], error["type"]) == (400, "invalid_request_error")
    assert error["param"] == "output_format"
    assert error["request_id"]
    assert provider.paid_requests == 0


@with_each(*ALL)
def test_a_rejected_prompt(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    provider.behave("moderation_blocked")
    parameters = {"prompt": prompt, "model": MODEL}
    error = client.call(front.target, "generate", parameters=parameters)["error"]
    assert (error["status"], error["type"]) == (400, "image_generation_user_error")
    assert error["code"] == "moderation_blocked"
    assert "sk-secret" not in error["message"]
    assert (provider.paid_requests, provider.purchases) == (1, [])


@with_each(*SDKS, "langchain-python", "langchain-node")
def test_a_quota_that_is_used_up_is_asked_for_once(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    # the AI SDK repeats it, as it does not know x-should-retry
    provider.behave("insufficient_quota")
    parameters = {"prompt": prompt, "model": MODEL}
    error = client.call(front.target, "generate", parameters=parameters)["error"]
    assert (error["status"], error["class"]) == (429, "RateLimitError")
    assert error["code"] == "insufficient_quota"
    assert (provider.paid_requests, provider.purchases) == (1, [])
