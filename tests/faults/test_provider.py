"""What the provider may answer, and what the caller is told: row F21."""

import pytest

from deployment import Deployment, wait_until

OUTCOMES = {
    "moderation_blocked": (422, "prompt_rejected", "no", "failed"),
    "content_policy_violation": (422, "prompt_rejected", "no", "failed"),
    "bad_request": (502, "provider_refused_request", "no", "failed"),
    "not_found": (502, "provider_refused_request", "no", "failed"),
    "unprocessable": (502, "provider_refused_request", "no", "failed"),
    "unauthorized": (502, "provider_refused_credentials", "no", "failed"),
    "forbidden": (502, "provider_refused_credentials", "no", "failed"),
    "rate_limit_exceeded": (503, "provider_overloaded", "no", "failed"),
    "overloaded": (503, "provider_overloaded", "no", "failed"),
    "insufficient_quota": (503, "provider_quota_exhausted", "no", "failed"),
    "billing_hard_limit_reached": (503, "provider_quota_exhausted", "no", "failed"),
    "server_error": (502, "outcome_unknown", "unknown", "unknown"),
    "reset": (502, "outcome_unknown", "unknown", "unknown"),
    "truncated": (502, "outcome_unknown", "unknown", "unknown"),
    "null_data": (502, "provider_sent_no_image", "yes", "failed"),
    "bad_base64": (502, "provider_sent_no_image", "yes", "failed"),
    "junk_image": (502, "provider_sent_no_image", "yes", "failed"),
    "too_wide": (502, "provider_sent_no_image", "yes", "failed"),
}


@pytest.mark.fault("F21")
def test_each_answer_has_its_outcome(deployment: Deployment) -> None:
    for behaviour, (status, code, billed, state) in OUTCOMES.items():
        deployment.provider.behave(behaviour)
        before = deployment.creations()
        answer = deployment.post(f"answered with {behaviour}", behaviour)
        told = answer.status_code, answer.json()["code"], answer.json()["billed"]
        assert told == (status, code, billed), behaviour
        assert isinstance(answer.json()["retryable"], bool)
        assert ("retry-after" in answer.headers) == (status == 503)
        (guid,) = set(deployment.creations()) - set(before)
        assert deployment.creations()[guid] == state, behaviour


@pytest.mark.fault("F21")
def test_a_deadline_has_its_outcome(deploy: object) -> None:
    deployment: Deployment = deploy(PIXY_GENERATION_TIMEOUT="1")  # type: ignore[operator]
    deployment.pixy.start()
    for behaviour in ("silent", "drip"):
        deployment.provider.behave(behaviour)
        answer = deployment.post(f"answered with {behaviour}")
        assert (answer.status_code, answer.json()["code"]) == (504, "generation_timeout")
        assert answer.json()["billed"] == "unknown"
    wait_until(lambda: list(deployment.creations().values()) == ["unknown"] * 2)
