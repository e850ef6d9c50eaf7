"""A database that fails over, to another clock or without the last rows: row F42."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployment import Deployment, wait_until

PASSES = 12
"""Seconds within which each process checks all leases at least once."""


@pytest.mark.slow
@pytest.mark.fault("F42")
def test_a_clock_that_is_ahead_after_a_failover_ends_no_lease(
    deploy: Callable[..., Deployment],
) -> None:
    deployment = deploy()
    deployment.pixy.start("--workers", "2")
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            posted = threads.submit(deployment.post, "made under two clocks", "clocks")
            deployment.provider.wait_for_requests(paid + 1)
            # leases from before the failover, by the new server's clock
            deployment.end_leases()
            time.sleep(PASSES)
            assert set(deployment.creations().values()) == {"pending"}
        answer = posted.result()
    assert answer.status_code == 201, answer.text
    assert "CRITICAL" not in deployment.pixy.log


@pytest.mark.slow
@pytest.mark.fault("F42")
def test_a_claim_that_a_failover_has_lost_is_not_paid_twice(
    deployment: Deployment,
) -> None:
    paid = deployment.provider.paid_requests
    with ThreadPoolExecutor(1) as threads:
        with deployment.provider.holding():
            posted = threads.submit(deployment.post, "claimed before a failover", "failover")
            deployment.provider.wait_for_requests(paid + 1)
            (guid,) = (g for g, status in deployment.creations().items() if status == "pending")
            deployment.query(f"DELETE FROM creations WHERE guid = '{guid}'")
            wait_until(lambda: guid in deployment.creations(), "the claim to be there again")
            assert deployment.post("claimed before a failover", "failover").status_code == 409
            # lost again, and the answer arrives before that is detected
            deployment.query(f"DELETE FROM creations WHERE guid = '{guid}'")
        answer = posted.result()
    assert (answer.status_code, answer.json()["guid"]) == (201, guid)
    again = deployment.post("claimed before a failover", "failover")
    assert (again.status_code, again.json()["guid"]) == (201, guid)
    assert again.headers["idempotent-replayed"] == "true"
    assert deployment.provider.paid_requests == paid + 1
