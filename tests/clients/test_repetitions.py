"""That stock clients repeat a paid request, without which test_retries.py would show nothing."""

import pytest

from provider import Provider
from stock_clients import MODEL, NAMES, StockClient, Target, with_each

pytestmark = pytest.mark.slow

ATTEMPTS = 3
"""Of each client, with its defaults."""


@pytest.mark.parametrize("behaviour", ["server_error", "reset"])
@with_each(*NAMES)
def test_a_client_repeats_what_the_provider_may_have_charged_for(
    client: StockClient, provider: Provider, behaviour: str
) -> None:
    provider.behave(behaviour)
    target = Target(provider.base_url, "sk-of-the-test")
    client.call(target, "generate", parameters={"prompt": "a lighthouse", "model": MODEL})
    assert provider.paid_requests == ATTEMPTS
