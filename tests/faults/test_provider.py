"""Answers of the provider, and the outcome for the caller: rows F21 and F30 to F33."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deployment import Deployment, wait_until
from provider_oddities import ODD_ANSWERS

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

LATE_OUTCOMES = {
    "late_moderation_blocked": (422, "prompt_rejected", "no", "failed"),
    "late_content_filter": (422, "prompt_rejected", "no", "failed"),
    "late_400_moderation": (422, "prompt_rejected", "no", "failed"),
    "late_insufficient_quota": (503, "provider_quota_exhausted", "no", "failed"),
    "late_usage_limit": (503, "provider_quota_exhausted", "no", "failed"),
    "late_quota_type": (503, "provider_quota_exhausted", "no", "failed"),
    "late_slow_down": (503, "provider_overloaded", "no", "failed"),
    "late_401": (502, "provider_refused_credentials", "no", "failed"),
    "late_moderation_output": (422, "image_rejected", "unknown", "failed"),
    "late_server_error": (502, "outcome_unknown", "unknown", "unknown"),
    "content_filter": (422, "prompt_rejected", "no", "failed"),
    "moderation_400": (422, "prompt_rejected", "no", "failed"),
    "usage_limit": (503, "provider_quota_exhausted", "no", "failed"),
}
Deploy = Callable[..., Deployment]


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
        deployment.end_pause()


@pytest.mark.slow
@pytest.mark.fault("F21")
def test_a_deadline_has_its_outcome(deploy: object) -> None:
    deployment: Deployment = deploy(PIXY_GENERATION_TIMEOUT="3")  # type: ignore[operator]
    deployment.pixy.start()
    for behaviour in ("silent", "drip"):
        deployment.provider.behave(behaviour)
        answer = deployment.post(f"answered with {behaviour}")
        assert (answer.status_code, answer.json()["code"]) == (504, "generation_timeout")
        assert answer.json()["billed"] == "unknown"
    wait_until(lambda: list(deployment.creations().values()) == ["unknown"] * 2)


@pytest.mark.fault("F30")
def test_an_image_is_stored_whatever_form_the_answer_has(deployment: Deployment) -> None:
    for behaviour in ODD_ANSWERS:
        deployment.provider.behave(behaviour)
        answer = deployment.post(f"wrapped as {behaviour}")
        assert answer.status_code == 201, behaviour
        assert (answer.json()["media_type"], answer.json()["width"]) == ("image/png", 67), behaviour


@pytest.mark.fault("F31")
def test_each_error_with_status_200_has_its_outcome(deployment: Deployment) -> None:
    for behaviour, (status, code, billed, state) in LATE_OUTCOMES.items():
        deployment.provider.behave(behaviour)
        before = deployment.creations()
        answer = deployment.post(f"answered with {behaviour}", behaviour)
        told = answer.status_code, answer.json()["code"], answer.json()["billed"]
        assert told == (status, code, billed), behaviour
        (guid,) = set(deployment.creations()) - set(before)
        assert deployment.creations()[guid] == state, behaviour
        if billed != "no":
            again = deployment.post(f"answered with {behaviour}", behaviour)
            assert (again.status_code, again.json()["code"]) == (status, code), behaviour
            assert deployment.provider.purchases.count(f"answered with {behaviour}") == 1


@pytest.mark.slow
@pytest.mark.fault("F32")
def test_an_endless_answer_takes_a_bounded_amount_of_memory(deploy: Deploy) -> None:
    deployment = deploy()
    deployment.pixy.start()
    for behaviour in ("gzip_bomb", "long_line"):
        deployment.provider.behave(behaviour)
        answer = deployment.post(f"answered with {behaviour}")
        told = answer.status_code, answer.json()["code"], answer.json()["billed"]
        assert told == (502, "provider_sent_no_image", "yes"), behaviour
    assert peak_memory(deployment.pixy.process_id) < 1_000_000_000
    deployment.provider.behave("png")
    deployment.make_image()


def peak_memory(pid: int) -> int:
    """Return the peak of a process's resident bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(
        int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")
    )


@pytest.mark.fault("F33")
def test_a_break_after_the_image_loses_nothing(deploy: Deploy) -> None:
    deployment = deploy(PIXY_GENERATION_TIMEOUT="6")
    deployment.pixy.start()
    for behaviour in ("too_short", "chunks_without_end", "stall_after_image"):
        deployment.provider.behave(behaviour)
        assert deployment.post(f"cut by {behaviour}").status_code == 201, behaviour
    assert len(deployment.rows()) == 3
