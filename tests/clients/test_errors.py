"""What stock clients make of PixyProxy's errors, and that none of these costs anything."""

from typing import Any

from provider import Provider
from stock_clients import MODEL, Front, StockClient, with_each

SDKS = ("openai-python", "openai-node")
ALL = (*SDKS, "ai-sdk", "langchain-python", "langchain-node")
WRONG_KEY = f"pixy_{'x' * 10}_{'x' * 43}"

Case = tuple[dict[str, Any], dict[str, Any]]
"""The arguments of a call, and members of the error that it must get."""


def list_common_cases(parameters: dict[str, Any]) -> list[Case]:
    unknown = parameters | {"model": "no-such-model"}
    return [
        (
            {"parameters": parameters, "api_key": WRONG_KEY},
            {"status": 401, "code": "invalid_api_key", "class": "AuthenticationError"},
        ),
        (
            {"parameters": unknown},
            {"status": 404, "code": "model_not_found", "class": "NotFoundError"},
        ),
    ]


def list_cases_of_sdks(name: str, parameters: dict[str, Any]) -> list[Case]:
    unknown = {"frobnicate": 1}
    given = {"extra_body": unknown} if name == "openai-python" else unknown
    refused = {"status": 400, "class": "BadRequestError", "type": "invalid_request_error"}
    return [
        (
            {"parameters": parameters | given},
            refused | {"code": "unknown_parameter", "param": "frobnicate"},
        ),
        (
            {"parameters": parameters | {"output_format": "gif"}},
            refused | {"param": "output_format"},
        ),
    ]


def list_refusals_of_the_provider(name: str, parameters: dict[str, Any]) -> list[Case]:
    """Return what the first two behaviours of the provider cause, in their order."""
    rejected = {"status": 400, "type": "image_generation_user_error", "code": "moderation_blocked"}
    quota = {"status": 429, "class": "RateLimitError", "code": "insufficient_quota"}
    prompt = parameters["prompt"]
    cases = [({"parameters": parameters | {"prompt": f"{prompt} blocked"}}, rejected)]
    if name != "ai-sdk":  # it repeats that, as it does not know x-should-retry
        cases.append(({"parameters": parameters | {"prompt": f"{prompt} quota"}}, quota))
    return cases


@with_each(*ALL)
def test_each_error_is_told_and_costs_nothing(
    client: StockClient, front: Front, provider: Provider, prompt: str
) -> None:
    provider.behave("moderation_blocked", "insufficient_quota")
    parameters = {"prompt": prompt, "model": MODEL}
    own = list_cases_of_sdks(client.name, parameters) if client.name in SDKS else []
    refusals = list_refusals_of_the_provider(client.name, parameters)
    cases = [*list_common_cases(parameters), *own, *refusals]
    calls = [("generate", arguments) for arguments, _ in cases]
    reports = client.finish(client.start(front.target, *calls))
    for (arguments, expected), report in zip(cases, reports, strict=True):
        if client.name == "ai-sdk" and "class" in expected:
            expected["class"] = "AI_APICallError"
        error = report["error"]
        assert {name: error[name] for name in expected} == expected, arguments
        assert "sk-secret" not in error["message"]
        assert client.name not in SDKS or error["request_id"]
    # refusals are asked for once, however often a client would repeat them
    assert (provider.paid_requests, provider.purchases) == (len(refusals), [])
