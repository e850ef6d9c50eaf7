"""Paid requests at a provider that fails: one, however often the client repeats its request.

That the clients do repeat it is shown in test_repetitions.py.
"""

import pytest

from provider import Provider
from stock_clients import MODEL, Front, StockClient, with_each

ALL = ("openai-python", "openai-node", "ai-sdk", "langchain-python", "langchain-node")
WITH_TIMEOUT = ("openai-python", "openai-node", "langchain-python")
"""Clients that repeat a request after their own timeout. LangChain's JavaScript has no such
setting, and the AI SDK gives up."""
SECONDS = 2.0


@with_each(*ALL)
def test_a_failure_whose_outcome_is_unknown_is_bought_once(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    behaviours = ("server_error", "reset")
    provider.behave(*behaviours)
    calls = [
        ("generate", {"parameters": {"prompt": f"{prompt} {behaviour}", "model": MODEL}})
        for behaviour in behaviours
    ]
    for report in client.finish(client.start(front.target, *calls)):
        error = report["error"]
        assert (error["status"], error["code"]) == (424, "outcome_unknown")
    sent = [request.body["prompt"] for request in provider.requests]
    assert sent == [f"{prompt} {behaviour}" for behaviour in behaviours]


@pytest.mark.slow
@with_each(*WITH_TIMEOUT)
def test_a_client_that_gives_up_has_bought_once(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL}
    with provider.holding():
        report = client.call(front.target, "generate", timeout=1, parameters=parameters)
        provider.wait_for_requests(1)
    assert "Timeout" in report["error"]["class"]
    assert provider.paid_requests == 1


@with_each("ai-sdk")
def test_the_ai_sdk_gives_up_at_once(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL}
    with provider.holding():
        report = client.call(front.target, "generate", timeout=1, parameters=parameters)
    assert (report["error"]["class"], report["error"]["attempts"]) == ("TimeoutError", 1)
    assert provider.paid_requests <= 1


@with_each("openai-python", "openai-node")
def test_a_retry_gets_the_image_that_the_first_attempt_bought(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    parameters = {"prompt": prompt, "model": MODEL}
    before = front.requests
    with provider.holding():
        call = ("generate", {"timeout": SECONDS, "parameters": parameters})
        process = client.start(front.target, call)
        front.wait_for_requests(before + 2)
    (report,) = client.finish(process)
    (image,) = report["images"]
    assert front.get(f"/image/{image['guid']}").json()["prompt"] == prompt
    assert provider.paid_requests == 1


@pytest.mark.slow
@with_each("openai-python", "openai-node")
def test_a_refusal_for_too_many_requests_is_repeated_until_there_is_an_image(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    provider.behave("rate_limit_exceeded", "png")
    parameters = {"prompt": prompt, "model": MODEL}
    assert len(client.call(front.target, "generate", parameters=parameters)["images"]) == 1
    assert provider.purchases == [prompt]
