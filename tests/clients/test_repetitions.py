"""That stock clients repeat a paid request, without which test_retries.py would show nothing."""

import pytest

from provider import Provider
from stock_clients import MODEL, NAMES, StockClient, Target, with_each

pytestmark = pytest.mark.slow

ATTEMPTS = 3
"""Of each client, with its defaults."""


@with_each(*NAMES)
def test_a_client_repeats_what_the_provider_may_have_charged_for(
    client: StockClient, provider: Provider
) -> None:
    prompts = ("server_error", "reset")
    provider.behave(*["server_error"] * ATTEMPTS, "reset")
    target = Target(provider.base_url, "sk-of-the-test")
    calls = [("generate", {"parameters": {"prompt": p, "model": MODEL}}) for p in prompts]
    client.finish(client.start(target, *calls))
    sent = [request.body["prompt"] for request in provider.requests]
    assert sent == [prompt for prompt in prompts for _ in range(ATTEMPTS)]
